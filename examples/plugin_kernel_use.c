/* plugin_kernel_use PLUGIN DEVICE: loads the plugin made of plugin_kernel.c and runs conv2d on the
 * device (cpu) with a 1x1 weight, which the plugin's kernel takes, forward and backward, and with a
 * 1x2 weight, which it refuses: SY_LOG=dispatch says why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <switchyard/sy_ops.h>

static void check(SyStatus status) {
  if (status == SY_OK) return;
  fprintf(stderr, "%s\n", sy_last_message());
  exit(1);
}

static void print(const char* name, SyTensor* t) {
  float v[4];
  int64_t i, count = sy_tensor_count(t);
  check(sy_tensor_read(t, v, count * (int64_t)sizeof(float)));
  printf("%s", name);
  for (i = 0; i < count; ++i) printf(" %.4f", v[i]);
  printf("\n");
}

static void SY_CALL log_line(void* context, int32_t level, const char* text) {
  (void)context, (void)level;
  if (strstr(text, "conv2d: refused")) printf("%s\n", text);
}

static SyTensor* tensor(const float* values, const int64_t* shape, int32_t rank,
                        const char* device) {
  SyTensor* t = NULL;
  check(sy_tensor_from_host(values, shape, rank, SY_F32, device, &t));
  return t;
}

int main(int argc, char** argv) {
  const float values[] = {1, 2, 3, 4}, weights[] = {10, 1}, bias[] = {0.5f}, two[] = {1, 1};
  const int64_t x_shape[] = {1, 2, 1, 2}, w_shape[] = {1, 2, 1, 1}, b_shape[] = {1};
  const int64_t y_shape[] = {1, 1, 1, 2}, wide_shape[] = {1, 2, 1, 2};
  SyTensor *x, *w, *b, *dy, *wide, *y = NULL, *z = NULL, *dx, *dw, *db;
  const SyDevice* device = NULL;
  SyBackward backward = {0};
  char route[200];

  if (argc != 3) return fprintf(stderr, "usage: plugin_kernel_use PLUGIN DEVICE\n"), 2;
  check(sy_device_find(argv[2], &device)); /* loads the device's plugin */
  check(sy_plugin_load(argv[1]));
  sy_op_route(sy_op_find("conv2d"), device, SY_F32, route, sizeof(route));
  printf("%s\n", route);

  x = tensor(values, x_shape, 4, argv[2]);
  w = tensor(weights, w_shape, 4, argv[2]);
  b = tensor(bias, b_shape, 1, argv[2]);
  dy = tensor(two, y_shape, 4, argv[2]);
  check(sy_tensor_set_requires_grad(x, 1));
  check(sy_tensor_set_requires_grad(w, 1));
  check(sy_tensor_set_requires_grad(b, 1));
  check(sy_option_set("log", "dispatch"));
  sy_log_set(log_line, NULL);
  check(sy_conv2d(x, w, b, NULL, &y));
  backward.size = sizeof(backward);
  backward.outputs = &y;
  backward.output_grads = &dy;
  backward.output_count = 1;
  check(sy_backward(&backward));
  print("y ", y);
  print("dx", dx = sy_tensor_grad(x));
  print("dw", dw = sy_tensor_grad(w));
  print("db", db = sy_tensor_grad(b));

  wide = tensor(values, wide_shape, 4, argv[2]);
  check(sy_conv2d(x, wide, b, NULL, &z));
  print("z ", z); /* 1 + 4 + 9 + 16 + 0.5 */

  sy_tensor_release(x), sy_tensor_release(w), sy_tensor_release(b), sy_tensor_release(dy);
  sy_tensor_release(y), sy_tensor_release(z), sy_tensor_release(wide);
  sy_tensor_release(dx), sy_tensor_release(dw), sy_tensor_release(db);
  check(sy_plugin_close("conv1x1"));
  return 0;
}
