// Ops: found, described, run; fall-backs counted. The C functions are documented in sy.h.
#include <cstring>

#include "absl/strings/str_cat.h"
#include "dispatcher/abi/guard.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/run.h"
#include "dispatcher/loader/loader.h"
#include "dispatcher/ops/op.h"

using namespace sy::abi;  // NOLINT(google-build-using-namespace): extern "C" lives in no namespace
using sy::Report;

int32_t sy_op_find(const char* name) {
  const sy::Op* op = name ? sy::FindOp(name) : nullptr;
  if (!op && name) {
    const std::string near = sy::NearestOp(name);
    sy::SetMessage(near.empty() ? absl::StrFormat("no op %s", name)
                                : absl::StrFormat("no op %s; did you mean %s?", name, near));
  }
  return op ? op->id : -1;
}
int32_t sy_op_count(void) { return sy::OpCountTotal(); }

SyStatus sy_op_info(int32_t op, SyOpInfo* out) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_op_info", out, 16); !s.ok()) return s;
    const sy::Op* o = sy::OpAt(op);
    if (!o) return absl::NotFoundError(absl::StrFormat("sy_op_info: no op with number %d", op));
    SY_SET(out, rev, o->rev);
    SY_SET(out, name, o->name.c_str());
    SY_SET(out, doc, o->doc.c_str());
    SY_SET(out, in_min, o->in_min);
    SY_SET(out, in_max, o->in_max);
    SY_SET(out, out_count, o->outs);
    SY_SET(out, differentiable, o->differentiable ? 1 : 0);
    SY_SET(out, attrs, o->attrs.data());
    SY_SET(out, attr_count, static_cast<int32_t>(o->attrs.size()));
    SY_SET(out, attr_size, static_cast<uint32_t>(sizeof(SyAttrSpec)));
    SY_SET(out, attrs_size, o->attrs_size);
    SY_SET(out, pointwise, o->spec && o->spec->formula ? 1 : 0);
    SY_SET(out, out_main, o->spec && o->spec->main_outs ? o->spec->main_outs : o->outs);
    SY_SET(out, optional_from, o->optional_from);
    return absl::OkStatus();
  });
}

SyStatus sy_run(const SyRun* run) {
  // The hot path: only what the struct's own size demands is checked here.
  if (!run || run->size < 72 || run->size > (64u << 10)) [[unlikely]]
    return Report(
        absl::InvalidArgumentError("sy_run: run is NULL or its size is not sizeof(SyRun)"));
  return Guard([&] { return sy::Run(*run); });
}

int32_t sy_op_route(int32_t op, const SyDevice* device, SyDtype dtype, char* buf, int32_t bytes) {
  const sy::Op* o = sy::OpAt(op);
  const std::string text = o && device ? sy::RouteText(*o, Mutable(device), sy::TypeOf(dtype))
                                       : "refused: no such op or device";
  if (buf && bytes > 0) {
    const size_t n = std::min(text.size(), static_cast<size_t>(bytes - 1));
    std::memcpy(buf, text.data(), n);
    buf[n] = 0;
  }
  return static_cast<int32_t>(text.size());
}

int32_t sy_fallback_count(void) { return static_cast<int32_t>(sy::Fallbacks().size()); }
SyStatus sy_fallback_report(int32_t index, SyFallbackReport* out) {
  return Guard([&]() -> absl::Status {
    if (absl::Status s = RequireSized("sy_fallback_report", out, 16); !s.ok()) return s;
    static thread_local std::vector<sy::FallbackRow> rows;
    rows = sy::Fallbacks();
    if (index < 0 || index >= static_cast<int32_t>(rows.size()))
      return absl::OutOfRangeError(
          absl::StrFormat("fall-back %d; there are %d", index, rows.size()));
    const sy::FallbackRow& r = rows[static_cast<size_t>(index)];
    SY_SET(out, op, r.op);
    SY_SET(out, device, r.device.c_str());
    SY_SET(out, reason, r.reason.c_str());
    SY_SET(out, count, r.count);
    return absl::OkStatus();
  });
}
void sy_fallback_reset(void) { sy::ResetFallbacks(); }
