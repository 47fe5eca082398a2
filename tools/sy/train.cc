// sy train digits: the main job. A network learns to read digits on any device, from real data, and
// is judged on images that it has not seen.
#include <sys/stat.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "command.h"
#include "switchyard/switchyard.h"

namespace sy::tool {
namespace {

namespace nn = sy::nn;

struct Options {
  std::string device = "", model = "mlp", data, save = "digits.safetensors";
  uint64_t seed = 0, split = 0;
  int64_t epochs = 0, batch = 0, workers = 0;
  double lr = 0;
  bool no_save = false;
};

// Two hidden layers would do no better on 64 pixels: 64-64-10.
struct Mlp : nn::Module<Mlp> {
  nn::Linear hidden = child("hidden", nn::Linear(64, 64));
  nn::Linear head = child("head", nn::Linear(64, 10));
  Tensor forward(const Tensor& x) { return head(relu(hidden(flatten(x, 1)))); }
};

struct Cnn : nn::Module<Cnn> {
  nn::Conv2d conv1 = child("conv1", nn::Conv2d({.in = 1, .out = 16, .kernel = 3, .padding = 1}));
  nn::Conv2d conv2 = child("conv2", nn::Conv2d({.in = 16, .out = 32, .kernel = 3, .padding = 1}));
  nn::Linear hidden = child("hidden", nn::Linear(32 * 7 * 7, 128));
  nn::Linear head = child("head", nn::Linear(128, 10));
  Tensor forward(const Tensor& x) {
    Tensor h = max_pool2d(relu(conv1(x)), {.kernel = 2});
    h = max_pool2d(relu(conv2(h)), {.kernel = 2});
    return head(relu(hidden(flatten(h, 1))));
  }
};

std::string DataFile(const Options& o, const char* name) {
  if (!o.data.empty()) return o.data;
  std::string folder;
  if (const char* named = std::getenv("SWITCHYARD_DATA")) {
    folder = named;
  } else {
    const char *xdg = std::getenv("XDG_CACHE_HOME"), *home = std::getenv("HOME");
    folder =
        (xdg ? std::string(xdg) : std::string(home ? home : ".") + "/.cache") + "/switchyard/data";
  }
  return folder + "/" + name;
}

template <class Net>
int64_t Correct(Net& net, const data::Digits& held, const Device& device) {
  NoGrad guard;
  net.eval();
  int64_t correct = 0;
  const int64_t n = held.labels.size(0);
  for (int64_t i = 0; i < n; i += 256) {
    const int64_t end = std::min<int64_t>(n, i + 256);
    const Tensor logits = net(held.images[range(i, end)].to(device));
    correct += sum(eq(argmax(logits, -1), held.labels[range(i, end)].to(device)).to(i64))
                   .template item<int64_t>();
  }
  net.train();
  return correct;
}

struct Progress {
  int64_t epochs, steps_per_epoch;
  std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  bool terminal = IsTerminal();

  void Show(int64_t epoch, int64_t step, double loss, double held) const {
    if (!terminal && step != steps_per_epoch) return;
    const double done = static_cast<double>(epoch * steps_per_epoch + step) /
                        static_cast<double>(epochs * steps_per_epoch);
    const double spent =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double left = spent / done - spent;
    std::string bar(20, '-');
    std::fill_n(bar.begin(), static_cast<size_t>(done * 20), '#');
    std::printf(
        "%sepoch %lld/%lld  [%s]  loss %.4f  held out %.1f %%  %.0f steps/s  %d:%02d left%s",
        terminal ? "\r\033[K" : "", static_cast<long long>(epoch + 1),
        static_cast<long long>(epochs), bar.c_str(), loss, held,
        static_cast<double>(epoch * steps_per_epoch + step) / spent, static_cast<int>(left) / 60,
        static_cast<int>(left) % 60, terminal ? "" : "\n");
    std::fflush(stdout);
  }
};

int64_t FallbackTotal() {
  int64_t total = 0;
  for (int32_t i = 0; i < sy_fallback_count(); ++i) {
    SyFallbackReport r{};
    r.size = sizeof r;
    if (sy_fallback_report(i, &r) == SY_OK) total += r.count;
  }
  return total;
}

// What one training came to.
struct Result {
  std::string device;
  std::vector<double> losses;  // mean of each epoch
  double accuracy = 0, seconds = 0;
  int64_t fallbacks = 0;
};

template <class Net>
int TrainWith(const Context& context, const Options& o, const data::Digits& digits, const char* set,
              const char* shape, const std::string& where, Result* result) {
  const Device device(where);
  manual_seed(o.seed);
  const bool cnn = o.model == "cnn";
  const int64_t epochs = o.epochs ? o.epochs
                         : cnn    ? 12
                                  : 40,
                batch = o.batch ? o.batch
                        : cnn   ? 32
                                : 64;
  const double lr = o.lr > 0 ? o.lr : cnn ? 1e-3 : 2e-3;
  auto [train, held] = data::stratified_split(digits, 0.2, o.split);

  // Weights are drawn on the host's device and moved: one seed gives one network everywhere.
  Net net;
  net.to(device);
  int64_t parameters = 0;
  for (const Tensor& p : net.parameters()) parameters += p.numel();
  std::printf("%s: %s to train on, %s held out · %s, %s parameters · %s\n", set,
              nn::detail::Thousands(train.labels.size(0)).c_str(),
              nn::detail::Thousands(held.labels.size(0)).c_str(), shape,
              nn::detail::Thousands(parameters).c_str(), device.name().c_str());

  optim::Adam optimizer(net.parameters(), {.lr = lr});
  data::Loader loader(data::TensorDataset(train.images, train.labels),
                      {.batch = batch, .shuffle = true, .workers = o.workers, .seed = o.seed});
  const int64_t steps = (train.labels.size(0) + batch - 1) / batch;
  Progress progress{epochs, steps};
  std::vector<double> losses;
  sy_fallback_reset();
  int64_t correct = 0;
  double last = 0;
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    Tensor total;
    int64_t step = 0;
    for (const auto& [images, labels] : loader) {
      auto loss = nn::cross_entropy(net(images.to(device)), labels.to(device));
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      total = total.defined() ? total + loss.detach() : loss.detach();
      ++step;
      if (progress.terminal && step % 16 == 0)
        progress.Show(
            epoch, step, last,
            100.0 * static_cast<double>(correct) / static_cast<double>(held.labels.size(0)));
    }
    last = total.item<double>() / static_cast<double>(step);
    losses.push_back(last);
    if (!std::isfinite(last))
      return Fail("train: the loss is not finite after epoch " + std::to_string(epoch + 1) +
                  "; try a smaller --lr");
    correct = Correct(net, held, device);
    progress.Show(epoch, steps, last,
                  100.0 * static_cast<double>(correct) / static_cast<double>(held.labels.size(0)));
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - progress.start).count();
  const int64_t n = held.labels.size(0);
  const double accuracy = 100.0 * static_cast<double>(correct) / static_cast<double>(n);
  if (progress.terminal) std::printf("\r\033[K");
  std::string saved = "not saved";
  if (!o.no_save) {
    net.save(o.save);
    saved = "saved " + o.save;
  }
  const int64_t fallbacks = FallbackTotal();
  std::printf("held out %.1f %% (%lld of %lld) · %lld epochs in %.1f s · %lld fall-backs · %s\n",
              accuracy, static_cast<long long>(correct), static_cast<long long>(n),
              static_cast<long long>(epochs), seconds, static_cast<long long>(fallbacks),
              saved.c_str());
  if (context.json)
    PrintJson({{"device", device.name()},
               {"model", o.model},
               {"accuracy", accuracy},
               {"loss", last},
               {"losses", losses},
               {"seconds", seconds},
               {"fallbacks", fallbacks},
               {"parameters", parameters},
               {"seed", o.seed},
               {"split", o.split}});
  *result = {device.name(), losses, accuracy, seconds, fallbacks};
  return 0;
}

// The loss curves side by side: every epoch up to the fifth, then every fifth, and the last.
void Compare(const std::vector<Result>& results) {
  std::printf("\n%-10s", "epoch");
  for (const Result& r : results) std::printf("  %12s", r.device.c_str());
  std::printf("\n");
  const size_t epochs = results[0].losses.size();
  for (size_t e = 0; e < epochs; ++e) {
    if (e >= 5 && (e + 1) % 5 != 0 && e + 1 != epochs) continue;
    std::printf("%-10zu", e + 1);
    for (const Result& r : results) std::printf("  %12.6f", r.losses[e]);
    std::printf("\n");
  }
  std::printf("%-10s", "held out");
  for (const Result& r : results) std::printf("  %10.1f %%", r.accuracy);
  std::printf("\n%-10s", "seconds");
  for (const Result& r : results) std::printf("  %12.1f", r.seconds);
  std::printf("\n");
}

std::vector<std::string> DevicesOf(const Options& o) {
  std::vector<std::string> devices;
  std::stringstream list(o.device);
  for (std::string one; std::getline(list, one, ',');) devices.push_back(one);
  if (devices.empty()) devices.emplace_back();
  return devices;
}

// A plugin that closes says what it has compiled, at log level info.
void ClosePlugins() {
  std::fflush(stdout);
  for (int32_t i = 0; i < sy_plugin_count(); ++i) {
    SyPluginReport p = {};
    p.size = sizeof p;
    if (sy_plugin_report(i, &p) == SY_OK && p.state == SY_PLUGIN_LOADED) sy_plugin_close(p.name);
  }
}

int Train(const Context& context, const Options& o) {
  const bool cnn = o.model == "cnn";
  const data::Digits digits = cnn ? data::load_mnist5k(DataFile(o, "mnist_5k.csv.gz"))
                                  : data::load_optdigits(DataFile(o, "digits.csv.gz"));
  std::vector<Result> results;
  for (const std::string& device : DevicesOf(o)) {
    Result result;
    if (const int code =
            cnn ? TrainWith<Cnn>(context, o, digits, "MNIST-5k", "CNN 16-32, 128-10", device,
                                 &result)
                : TrainWith<Mlp>(context, o, digits, "optdigits", "MLP 64-64-10", device, &result))
      return code;
    results.push_back(std::move(result));
  }
  if (results.size() > 1) Compare(results);
  ClosePlugins();
  return 0;
}

}  // namespace

void AddTrain(CLI::App* app, Context* context) {
  auto o = std::make_shared<Options>();
  CLI::App* verb = app->add_subcommand("train", "Train a network on real data");
  verb->require_subcommand(1);
  CLI::App* digits =
      verb->add_subcommand("digits", "Handwritten digits: optdigits (mlp) or MNIST-5k (cnn)");
  digits->add_option(
      "--device", o->device,
      "Where to train; default: the first CPU; several, with commas, one after the other");
  digits->add_option("--model", o->model, "mlp or cnn")
      ->check(CLI::IsMember({"mlp", "cnn"}))
      ->capture_default_str();
  digits->add_option("--epochs", o->epochs, "Times through the data; default 40 (mlp), 12 (cnn)")
      ->check(CLI::PositiveNumber);
  digits->add_option("--batch", o->batch, "Images in a step; default 64 (mlp), 32 (cnn)")
      ->check(CLI::PositiveNumber);
  digits->add_option("--lr", o->lr, "Adam's learning rate; default 2e-3 (mlp), 1e-3 (cnn)")
      ->check(CLI::PositiveNumber);
  digits->add_option("--seed", o->seed, "Of weights and batch order")->capture_default_str();
  digits
      ->add_option("--split", o->split, "Of the split into train and held out, 20 % of each class")
      ->capture_default_str();
  digits->add_option("--workers", o->workers, "Threads that load batches")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  digits->add_option("--data", o->data, "The data file, instead of the one that set-up fetched");
  digits->add_option("--save", o->save, "Where the checkpoint goes")->capture_default_str();
  digits->add_flag("--no-save", o->no_save, "Write no checkpoint");
  digits->add_flag("--json", context->json, "One JSON object as the last line");
  digits->callback([context, o] { context->run = [context, o] { return Train(*context, *o); }; });
}

}  // namespace sy::tool
