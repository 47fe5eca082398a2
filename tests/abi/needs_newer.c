// A plugin that cannot live without a function of a later host. It asks by SY_HAS and refuses
// itself. Built with SY_ABI_TEST_GROW, whose trailing field stands for that function.
#define sy_plugin_main tutorial_main
#include "plugins/tutorial/tutorial.c"
#undef sy_plugin_main

SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host) {
  if (!SY_HAS(host, test_grow)) {
    sy_kit_refuse_host(host, "needs_newer", "test_grow", SY_ABI_MAJOR, SY_ABI_MINOR + 1);
    return NULL;
  }
  return tutorial_main(host);
}
