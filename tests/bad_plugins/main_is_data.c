// A library whose sy_plugin_main is a number.
__attribute__((visibility("default"))) const int sy_plugin_main = 42;  // NOLINT
