// An own autograd function: its backward is made of ops, so it can be differentiated again.
#include <switchyard/switchyard.h>

#include <iostream>

struct Cube : sy::Function<Cube> {
  static sy::Tensor forward(sy::Context& ctx, const sy::Tensor& x) {
    ctx.save(x);
    return x * x * x;
  }
  static sy::Tensor backward(sy::Context& ctx, const sy::Tensor& dy) {
    return 3.0 * square(ctx.saved(0)) * dy;
  }
};

int main(int argc, char** argv) {
  const sy::Device device(argc > 1 ? argv[1] : "cpu");
  auto x = sy::from({1., 2., 3.}, {.device = device, .requires_grad = true});
  auto y = Cube::apply(x);
  auto dx = sy::grad({sum(y)}, {x}, {}, {.create_graph = true})[0];
  auto ddx = sy::grad({sum(dx)}, {x})[0];
  for (const auto& t : {y, dx, ddx}) {
    for (float v : t.detach().to_vector<float>()) std::cout << v << ' ';
    std::cout << '\n';
  }
}
