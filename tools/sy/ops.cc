#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>

#include "command.h"
#include "conform/array.h"
#include "switchyard/sy_plugin.h"

namespace sy::tool {
namespace {

struct Options {
  std::string name, device, dtype = "f32";
  bool matrix = false;
};

std::string Route(int32_t op, const SyDevice* device, SyDtype dtype) {
  char text[256];
  sy_op_route(op, device, dtype, text, sizeof text);
  return text;
}

std::string AttrText(const SyAttrSpec& a) {
  if (a.required) return a.name;
  char text[64];
  switch (a.type) {
    case SY_ATTR_FLOAT:
      std::snprintf(text, sizeof text, "%s=%g", a.name, a.default_float);
      return text;
    case SY_ATTR_INTS:
      return std::string(a.name) + "=(" + (a.default_text ? a.default_text : "") + ")";
    case SY_ATTR_TEXT:
      return std::string(a.name) + "=" + (a.default_text ? a.default_text : "");
    case SY_ATTR_BOOL:
      return std::string(a.name) + (a.default_int ? "=true" : "=false");
    case SY_ATTR_DTYPE:
      return std::string(a.name) + "=input's";
    default:
      return std::string(a.name) + "=" +
             (a.default_int > (int64_t{1} << 60) ? "end" : std::to_string(a.default_int));
  }
}

// How an op finds code, as a letter.
char Letter(const std::string& route) {
  auto begins = [&](const char* text) { return route.rfind(text, 0) == 0; };
  return begins("not defined") ? '.'
         : begins("composite") ? 'c'
         : begins("fallback")  ? 'F'
         : begins("refused")   ? 'r'
                               : 'n';
}

// Every op on every device for every dtype, and the sums.
int Matrix(const Context& context) {
  const std::vector<SyDtype>& dtypes = conform::AllDtypes();
  std::vector<const SyDevice*> devices;
  for (int32_t i = 0; i < sy_device_count(); ++i) devices.push_back(sy_device_at(i));
  std::string order;
  for (SyDtype d : dtypes) order += (order.empty() ? "" : " ") + std::string(conform::Info(d).name);
  std::printf(
      "A letter for each of %s:\nn native (a kernel of the device), c composed of other ops, "
      "r refused, F falls back to the CPU, . not defined\n\n",
      order.c_str());
  std::vector<std::string> head = {"op"};
  for (const SyDevice* d : devices) head.emplace_back(sy_device_name(d));
  std::vector<std::vector<std::string>> rows;
  std::vector<std::map<char, int>> sums(devices.size());
  for (int32_t op = 0; op < sy_op_count(); ++op) {
    SyOpInfo info{};
    info.size = sizeof info;
    if (sy_op_info(op, &info)) continue;
    std::vector<std::string> row = {info.name};
    for (size_t d = 0; d < devices.size(); ++d) {
      std::string letters;
      for (SyDtype dtype : dtypes) {
        char letter = Letter(Route(op, devices[d], dtype));
        // A plugin's own op is nobody else's duty.
        if (letter == 'F' && std::strchr(info.name, '.')) letter = '.';
        letters += letter;
        ++sums[d][letter];
      }
      row.push_back(letters);
    }
    rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end());
  Table table(head);
  for (auto& row : rows) table.Add(std::move(row));
  table.Print();
  std::printf("\n");
  Table totals({"device", "native", "composed", "refused", "fall-back"});
  nlohmann::json list = nlohmann::json::array();
  for (size_t d = 0; d < devices.size(); ++d) {
    auto& s = sums[d];
    totals.Add({sy_device_name(devices[d]), std::to_string(s['n']), std::to_string(s['c']),
                std::to_string(s['r']), std::to_string(s['F'])});
    list.push_back({{"device", sy_device_name(devices[d])},
                    {"native", s['n']},
                    {"composed", s['c']},
                    {"refused", s['r']},
                    {"fallback", s['F']}});
  }
  totals.Print();
  if (context.json) PrintJson({{"devices", list}});
  return 0;
}

int Ops(const Context& context, const Options& o) {
  if (o.matrix) return Matrix(context);
  const SyDtype dtype = conform::DtypeByName(o.dtype);
  if (!dtype) return Fail("no dtype " + o.dtype + "; want f32, f64, f16, bf16, i8 ... u64 or bool");
  const SyDevice* device = nullptr;
  if (!o.device.empty() && sy_device_find(o.device.c_str(), &device))
    return Fail(sy_last_message());
  if (o.device.empty()) sy_device_count();  // plugins may add ops: load them
  std::vector<int32_t> ids;
  if (!o.name.empty()) {
    const int32_t id = sy_op_find(o.name.c_str());
    if (id < 0) return Fail(sy_last_message());
    ids.push_back(id);
  } else {
    for (int32_t i = 0; i < sy_op_count(); ++i) ids.push_back(i);
  }
  std::vector<std::vector<std::string>> rows;
  nlohmann::json list = nlohmann::json::array();
  for (int32_t id : ids) {
    SyOpInfo info{};
    info.size = sizeof info;
    if (sy_op_info(id, &info)) continue;  // its plugin was closed
    std::string attrs;
    for (int32_t i = 0; i < info.attr_count; ++i)
      attrs +=
          (attrs.empty() ? "" : " ") + AttrText(*SY_AT(SyAttrSpec, info.attrs, info.attr_size, i));
    const std::string inputs = info.in_max < 0              ? std::to_string(info.in_min) + "+"
                               : info.in_min == info.in_max ? std::to_string(info.in_min)
                                                            : std::to_string(info.in_min) + "-" +
                                                                  std::to_string(info.in_max);
    std::vector<std::string> row = {info.name, inputs,
                                    info.out_count < 0 ? "n" : std::to_string(info.out_count),
                                    info.differentiable ? "yes" : "no"};
    nlohmann::json j = {{"op", info.name},           {"inputs", inputs},
                        {"outputs", info.out_count}, {"differentiable", info.differentiable != 0},
                        {"attributes", attrs},       {"doc", info.doc}};
    if (device) {
      row.push_back(Route(id, device, dtype));
      j["route"] = row.back();
    }
    row.push_back(o.name.empty() ? attrs : attrs.empty() ? info.doc : attrs + "  " + info.doc);
    rows.push_back(std::move(row));
    list.push_back(std::move(j));
  }
  std::sort(rows.begin(), rows.end());
  std::vector<std::string> head = {"op", "in", "out", "gradient"};
  if (device) head.push_back("on " + std::string(sy_device_name(device)) + " " + o.dtype);
  head.push_back("attributes");
  Table table(head);
  for (auto& row : rows) table.Add(std::move(row));
  table.Print();
  if (context.json) PrintJson({{"ops", list}});
  return 0;
}

}  // namespace

void AddOps(CLI::App* app, Context* context) {
  auto options = std::make_shared<Options>();
  CLI::App* verb =
      app->add_subcommand("ops", "The ops, their attributes, and where a device finds their code");
  verb->add_option("name", options->name, "One op only, with what it means");
  verb->add_option("--device", options->device, "Show where this device finds code for each");
  verb->add_option("--dtype", options->dtype, "For inputs of this dtype")->capture_default_str();
  verb->add_flag("--matrix", options->matrix,
                 "Every op on every device for every dtype: native, composed, refused, fall-back");
  verb->add_flag("--json", context->json, "One JSON object as the last line");
  verb->callback([context, options] {
    context->run = [context, options] { return Ops(*context, *options); };
  });
}

}  // namespace sy::tool
