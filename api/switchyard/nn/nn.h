// sy::nn: modules, layers, losses and initial values. Read module.h first.
#ifndef SWITCHYARD_NN_NN_H_
#define SWITCHYARD_NN_NN_H_

#include "functions.h"
#include "init.h"
#include "layers.h"
#include "loss.h"
#include "module.h"
#include "state_dict.h"

#endif  // SWITCHYARD_NN_NN_H_
