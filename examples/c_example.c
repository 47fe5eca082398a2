/* The same library from C: tensors, two ops through the generated wrappers, and a failure with its
 * text. */
#include <stdio.h>
#include <switchyard/sy_ops.h>

int main(int argc, char** argv) {
  const char* device = argc > 1 ? argv[1] : "cpu";
  const float values[] = {0, 1, 2, 3, 4, 5};
  const int64_t shape[] = {2, 3}, other[] = {2, 2};
  SyTensor *a = NULL, *b = NULL, *c = NULL, *p = NULL, *wrong = NULL;
  SySoftmax attrs = SY_SOFTMAX_INIT;
  float out[6];
  int i;

  attrs.dim = 0;
  if (sy_tensor_from_host(values, shape, 2, SY_F32, device, &a) ||
      sy_tensor_full(shape, 2, SY_F32, device, 0.5, &b) || sy_add(a, b, &c) ||
      sy_softmax(c, &attrs, &p) || sy_tensor_read(p, out, sizeof(out)) ||
      sy_tensor_full(other, 2, SY_F32, device, 1, &wrong)) {
    fprintf(stderr, "%s\n", sy_last_message());
    return 1;
  }
  for (i = 0; i < 6; ++i) printf("%.4f%c", out[i], i % 3 == 2 ? '\n' : ' ');

  sy_tensor_release(c);
  c = NULL;
  printf("%s\n", sy_status_name(sy_matmul(a, wrong, &c)));

  sy_tensor_release(a);
  sy_tensor_release(b);
  sy_tensor_release(p);
  sy_tensor_release(wrong);
  return 0;
}
