// The same functions as a table, for plugins. The C functions are documented in sy.h.
#include <cstring>

#include "api/switchyard/sy.h"
#include "dispatcher/loader/loader.h"

namespace sy {

const SyApi* GetApi() {
  static const SyApi api = [] {
    SyApi a{};
    a.size = sizeof a;
    a.abi = SY_ABI;
    a.version = sy_version;
    a.abi_number = sy_abi;
#define SY_ENTRY(name) a.name = sy_##name
    SY_ENTRY(last_message);
    SY_ENTRY(status_name);
    SY_ENTRY(option_set);
    SY_ENTRY(option_get);
    SY_ENTRY(log_set);
    SY_ENTRY(counter);
    SY_ENTRY(plugin_load);
    SY_ENTRY(plugin_load_all);
    SY_ENTRY(plugin_scan);
    SY_ENTRY(plugin_close);
    SY_ENTRY(plugin_count);
    SY_ENTRY(plugin_report);
    SY_ENTRY(device_count);
    SY_ENTRY(device_at);
    SY_ENTRY(device_find);
    SY_ENTRY(device_name);
    SY_ENTRY(device_report);
    SY_ENTRY(device_memory);
    SY_ENTRY(device_trim);
    SY_ENTRY(device_current);
    SY_ENTRY(device_set_current);
    SY_ENTRY(synchronize);
    SY_ENTRY(stream_create);
    SY_ENTRY(stream_retain);
    SY_ENTRY(stream_release);
    SY_ENTRY(stream_set_current);
    SY_ENTRY(stream_synchronize);
    SY_ENTRY(timestamp_create);
    SY_ENTRY(timestamp_elapsed);
    SY_ENTRY(timestamp_release);
    SY_ENTRY(tensor_empty);
    SY_ENTRY(tensor_full);
    SY_ENTRY(tensor_randn);
    SY_ENTRY(tensor_from_host);
    SY_ENTRY(tensor_wrap);
    SY_ENTRY(tensor_number_f64);
    SY_ENTRY(tensor_number_i64);
    SY_ENTRY(tensor_retain);
    SY_ENTRY(tensor_release);
    SY_ENTRY(tensor_rank);
    SY_ENTRY(tensor_shape);
    SY_ENTRY(tensor_strides);
    SY_ENTRY(tensor_count);
    SY_ENTRY(tensor_dtype);
    SY_ENTRY(tensor_device);
    SY_ENTRY(tensor_is_contiguous);
    SY_ENTRY(tensor_version);
    SY_ENTRY(tensor_same_storage);
    SY_ENTRY(tensor_data);
    SY_ENTRY(tensor_read);
    SY_ENTRY(tensor_write);
    SY_ENTRY(tensor_item_f64);
    SY_ENTRY(tensor_item_i64);
    SY_ENTRY(tensor_to);
    SY_ENTRY(tensor_describe);
    SY_ENTRY(tensor_from_dlpack);
    SY_ENTRY(tensor_from_dlpack_versioned);
    SY_ENTRY(tensor_to_dlpack);
    SY_ENTRY(tensor_to_dlpack_versioned);
    SY_ENTRY(op_find);
    SY_ENTRY(op_count);
    SY_ENTRY(op_info);
    SY_ENTRY(run);
    SY_ENTRY(op_route);
    SY_ENTRY(fallback_count);
    SY_ENTRY(fallback_report);
    SY_ENTRY(fallback_reset);
    SY_ENTRY(tensor_requires_grad);
    SY_ENTRY(tensor_set_requires_grad);
    SY_ENTRY(tensor_is_leaf);
    SY_ENTRY(tensor_grad);
    SY_ENTRY(tensor_set_grad);
    SY_ENTRY(tensor_grad_op);
    SY_ENTRY(backward);
    SY_ENTRY(grad_mode);
    SY_ENTRY(grad_mode_set);
    SY_ENTRY(tensor_hook_add);
    SY_ENTRY(tensor_hook_remove);
    SY_ENTRY(function_record);
    SY_ENTRY(seed);
    SY_ENTRY(random_state);
    SY_ENTRY(random_state_set);
    SY_ENTRY(fail);
    SY_ENTRY(tensor_set_data);
#undef SY_ENTRY
    return a;
  }();
  return &api;
}

}  // namespace sy
