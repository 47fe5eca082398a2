// sy::optim: optimizers, learning-rate schedules and gradient clipping. Read optimizer.h first.
#ifndef SWITCHYARD_OPTIM_OPTIM_H_
#define SWITCHYARD_OPTIM_OPTIM_H_

#include "adam.h"
#include "clip.h"
#include "optimizer.h"
#include "schedule.h"
#include "sgd.h"

#endif  // SWITCHYARD_OPTIM_OPTIM_H_
