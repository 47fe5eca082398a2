// The whole C++ front end: tensors and ops, autograd, nn, optim, data and files.
#ifndef SWITCHYARD_SWITCHYARD_H_
#define SWITCHYARD_SWITCHYARD_H_

#include "autograd.h"
#include "data/data.h"
#include "data/digits.h"
#include "formats.h"
#include "nn/nn.h"
#include "optim/optim.h"
#include "tensor.h"

#endif  // SWITCHYARD_SWITCHYARD_H_
