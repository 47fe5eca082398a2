// A plugin in C++ that lets an exception leave its entry.
#include <stdexcept>

#include "switchyard/sy_plugin.h"

extern "C" SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost*) {
  throw std::runtime_error("nobody catches this");
}
