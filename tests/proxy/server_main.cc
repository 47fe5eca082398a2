// sy_proxy_host: the process that hosts a plugin for the plugin `proxy`.
//
//   sy_proxy_host PLUGIN            serves PLUGIN to the socket that is its standard input
//   sy_proxy_host --kernels PLUGIN  writes PLUGIN's kernels as rows of C++ (kernels.inc)
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tests/proxy/server.h"

namespace {

int WriteKernels(const proxy::Hosted& hosted) {
  for (const SyKernel& k : hosted.kernels()) {
    const proxy::KernelRow r = proxy::RowOf(k);
    std::printf("{\"%s\", \"%s\", %d, 0x%x, %d, %u, %u, %d, 0x%llx, %d},\n", k.op,
                k.variant ? k.variant : "", r.rev, r.dtype, r.priority, r.flags, r.accepts,
                r.max_rank, static_cast<unsigned long long>(r.dtypes), r.has_plan);
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bool write_kernels = argc == 3 && !std::strcmp(argv[1], "--kernels");
  if (argc != 2 && !write_kernels) {
    std::fprintf(stderr, "usage: sy_proxy_host [--kernels] PLUGIN\n");
    return 2;
  }
  if (!write_kernels) {
    close_range(3, ~0u, 0);  // what the client's process left open would outlive it here
    dup2(STDERR_FILENO, STDOUT_FILENO);
  }
  proxy::Hosted hosted;
  std::string why = hosted.Load(argv[argc - 1]);
  if (why.empty() && write_kernels) return WriteKernels(hosted);
  if (why.empty()) {
    why = proxy::Server(STDIN_FILENO, &hosted).Serve();
  } else if (!write_kernels) {
    std::string last;
    { proxy::Writer(&last, proxy::kEnd).Text(why); }
    proxy::WriteAll(STDIN_FILENO, last);
  }
  hosted.Close();
  if (why.empty()) return 0;
  std::fprintf(stderr, "sy_proxy_host: %s\n", why.c_str());
  return 1;
}
