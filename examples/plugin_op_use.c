/* plugin_op_use PLUGIN DEVICE: loads the plugin made of plugin_op.c and runs its op forward and
 * backward on the device. */
#include <stdio.h>
#include <stdlib.h>
#include <switchyard/sy.h>

static void check(SyStatus status) {
  if (status == SY_OK) return;
  fprintf(stderr, "%s\n", sy_last_message());
  exit(1);
}

static void print(const char* name, SyTensor* t) {
  float v[3];
  check(sy_tensor_read(t, v, sizeof(v)));
  printf("%s %.4f %.4f %.4f\n", name, v[0], v[1], v[2]);
}

int main(int argc, char** argv) {
  const float values[] = {0, 1.5f, -1.5f};
  const int64_t shape[] = {3};
  const double b = 4;
  SyTensor *x = NULL, *y = NULL, *ones = NULL, *dx = NULL;
  SyRun run = {0};
  SyBackward backward = {0};

  if (argc != 3) return fprintf(stderr, "usage: plugin_op_use PLUGIN DEVICE\n"), 2;
  check(sy_plugin_load(argv[1]));
  check(sy_tensor_from_host(values, shape, 1, SY_F32, argv[2], &x));
  check(sy_tensor_full(shape, 1, SY_F32, argv[2], 1, &ones));
  check(sy_tensor_set_requires_grad(x, 1));

  run.size = sizeof(run);
  run.op = sy_op_find("demo.squareplus");
  run.in = &x;
  run.in_count = 1;
  run.attrs = &b; /* its attribute struct is one double */
  run.attrs_size = sizeof(b);
  run.out = &y;
  run.out_count = 1;
  check(sy_run(&run));

  backward.size = sizeof(backward);
  backward.outputs = &y;
  backward.output_grads = &ones;
  backward.output_count = 1;
  check(sy_backward(&backward));
  dx = sy_tensor_grad(x);

  print("y ", y);
  print("dx", dx);
  sy_tensor_release(x);
  sy_tensor_release(y);
  sy_tensor_release(ones);
  sy_tensor_release(dx);
  check(sy_plugin_close("squareplus"));
  return 0;
}
