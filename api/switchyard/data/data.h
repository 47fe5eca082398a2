// sy::data: datasets and the loader. digits.h needs libswitchyard_formats and is included by
// switchyard.h.
#ifndef SWITCHYARD_DATA_DATA_H_
#define SWITCHYARD_DATA_DATA_H_

#include "dataset.h"
#include "loader.h"
#include "shuffle.h"

#endif  // SWITCHYARD_DATA_DATA_H_
