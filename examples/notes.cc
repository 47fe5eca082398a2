// One line for each habit of the C++ front end; the output says what each gives.
#include <switchyard/switchyard.h>

#include <iostream>

namespace nn = sy::nn;

struct Scale : nn::Module<Scale> {
  nn::Parameter factor = param("factor", sy::full({1}, 2.0));  // registered: it learns
  nn::Parameter calls = buffer("calls", sy::zeros({1}));       // registered: it is saved and moved
  sy::Tensor forward(const sy::Tensor& x, double shift, bool on) {  // any arguments
    calls += 1;
    return on ? x * factor + shift : x;
  }
};

int main(int argc, char** argv) {
  const sy::Device device(argc > 1 ? argv[1] : "cpu");
  sy_device_set_current(device.handle());          // where tensors without a device go
  sy::Tensor x = sy::from({{1, -2}, {3, 4}});      // literals: integers are i64,
  sy::Tensor f = sy::from({{1., -2.}, {3., 4.}});  // floating ones f32
  std::cout << name(x.dtype()) << ' ' << name(f.dtype()) << ' '
            << name(sy::ones({2}, {.dtype = sy::f64}).dtype()) << '\n';

  std::cout << sum(relu(f)).item<float>() << '\n';  // found by the argument: no prefix
  std::cout << all(f > -3).item<bool>() << ' ' << sy::all(f > 0).item<bool>() << '\n';
  std::cout << x[1][0].item<int>() << ' ' << x[{sy::range(), -1}].to_vector<int>()[1] << '\n';
  std::cout << x[{sy::range(), sy::range(0, 1)}].numel() << ' ' << x[{sy::new_axis, 0}].dim()
            << '\n';
  x[0] = sy::from({7, 8});  // writes into x
  x[{1, 1}] = 9;
  std::cout << sum(x).item<int>() << '\n';
  sy::Tensor same = x;  // another name for x's tensor
  same += 1;
  std::cout << sum(x).item<int>() << ' ' << sum(x.clone() += 1).item<int>() << '\n';

  std::vector<float> memory = {1, 2, 3};
  if (device == sy::Device("cpu"))
    sy::from(std::span(memory)) *= 2;  // a tensor over the caller's memory
  std::cout << memory.size() << ' ' << sy::from(memory).numel() << '\n';

  const short rows = 2;  // shapes take any integer type
  std::cout << sy::zeros({rows, 3u}).numel() << '\n';
  std::cout << softmax(f, 0).dim() << ' '
            << max_pool2d(sy::ones({1, 1, 4, 4}), {.kernel = 2}).numel() << '\n';

  Scale one, two = one;  // copies share parameters and buffers
  Scale apart = one.clone();
  two(f, 0.5, true);
  std::cout << one.calls.item<int>() << ' ' << apart.calls.item<int>() << '\n';
  std::cout << one.parameters().size() << ' ' << one.state_dict().size() << '\n';
  std::cout << one.eval().is_training() << two.is_training() << apart.is_training() << '\n';

  try {
    matmul(f, sy::ones({3, 2}));  // errors are one line and name the call
  } catch (const sy::Error& e) {
    std::cout << std::string(e.what()).substr(0, 6) << ' ' << sy_status_name(e.code()) << '\n';
  }
  std::cout << f << '\n' << one;  // everything prints
}
