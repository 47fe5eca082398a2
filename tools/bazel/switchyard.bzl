"""Macros for what is linked in a special way: libswitchyard.so, plugins, and a folder of plugins.

    load("//tools/bazel:switchyard.bzl", "GROWTH", "plugin_folder", "sy_plugin", "sy_shared_library")
"""

# Suffix of a target and its copts: as it is, and as a later minor of the ABI, whose growable structs have a field
# more, for tests/abi.
GROWTH = {
    "": [],
    "_grown": ["-DSY_ABI_TEST_GROW"],
}

# libstdc++ and libgcc go inside, so that a library of ours runs beside any C++ runtime. The archive
# is named because the toolchain links with the C driver, which ignores -static-libstdc++; its own
# -lstdc++ and -lm come later and stay only where needed. Sanitizers want the shared runtime: an
# unmapped copy would look like a leak of its exception pool.
_SELF_CONTAINED = [
    # Not gold, which the toolchain prefers: it lists hidden thread-locals among the dynamic symbols.
    "-fuse-ld=bfd",
    "-Wl,-z,defs",
    "-Wl,-Bsymbolic",
    "-Wl,--as-needed",
] + select({
    "//tools/bazel:sanitizer": [],
    "//conditions:default": [
        "-l:libstdc++.a",
        "-static-libgcc",
    ],
})

def sy_shared_library(
        name,
        deps,
        version_script = "//tools/bazel:switchyard.lds",
        abi_major = "0",
        linkopts = [],
        **kwargs):
    """Makes lib<name>.so.<abi_major> (the library), lib<name>.so (a copy) and <name> (to link against).

    Args:
      name: "switchyard" gives libswitchyard.so.0, libswitchyard.so and the target :switchyard.
      deps: cc_library targets whose code goes in; those with the exported functions need alwayslink = True.
      version_script: says which symbols are shown.
      abi_major: the number in the soname.
      linkopts: more options for the linker.
      **kwargs: visibility, tags, testonly for all targets.
    """
    versioned = "lib%s.so.%s" % (name, abi_major)
    native.cc_binary(
        name = versioned,
        linkshared = True,
        linkopts = [
            "-Wl,--version-script=$(location %s)" % version_script,
            "-Wl,-soname," + versioned,
        ] + _SELF_CONTAINED + linkopts,
        additional_linker_inputs = [version_script],
        deps = deps,
        **kwargs
    )
    native.genrule(
        name = name + "_unversioned",
        srcs = [versioned],
        outs = ["lib%s.so" % name],
        cmd = "cp -L $< $@",
        **kwargs
    )
    native.cc_import(
        name = name + "_import",
        shared_library = versioned,
        **kwargs
    )
    native.cc_library(
        name = name,
        # Where an installed program in bin/ finds the library in lib/.
        linkopts = ["-Wl,-rpath,$$ORIGIN/../lib"],
        deps = [name + "_import"],
        **kwargs
    )

def sy_plugin(
        name,
        srcs,
        deps = [],
        manifest = None,
        linkopts = [],
        copts = [],
        data = [],
        visibility = None,
        tags = [],
        **kwargs):
    """Makes libsy_<name>.so, which shows sy_plugin_main only, and :<name>, the .so with its manifest.

    Args:
      name: "tutorial" gives libsy_tutorial.so and the target :tutorial for `data` and plugin_folder.
      srcs: C or C++ sources.
      deps: usually ["//api/switchyard:sy_plugin"] and the backend's library.
      manifest: the <name>.sy.json file, or None where a test needs a plugin without one.
      linkopts: more options for the linker.
      copts: more options for the compiler.
      data: files that belong beside the plugin.
      visibility: of both targets.
      tags: of both targets.
      **kwargs: passed to cc_binary (features, testonly, ...).
    """
    native.cc_binary(
        name = "libsy_%s.so" % name,
        srcs = srcs,
        copts = copts,
        linkshared = True,
        linkopts = ["-Wl,--version-script=$(location //tools/bazel:plugin.lds)"] + _SELF_CONTAINED + linkopts,
        additional_linker_inputs = ["//tools/bazel:plugin.lds"],
        deps = deps,
        visibility = visibility,
        tags = tags,
        **kwargs
    )
    native.filegroup(
        name = name,
        srcs = [":libsy_%s.so" % name] + ([manifest] if manifest else []) + data,
        testonly = kwargs.get("testonly", False),
        visibility = visibility,
        tags = tags,
    )

def _plugin_folder_impl(ctx):
    outputs = []
    seen = {}
    for source in ctx.files.plugins:
        if source.basename in seen:
            if seen[source.basename] == source.path:
                continue
            fail("plugin_folder %s: %s comes twice, from %s and %s" %
                 (ctx.label, source.basename, seen[source.basename], source.path))
        seen[source.basename] = source.path
        copy = ctx.actions.declare_file(ctx.label.name + "/" + source.basename)
        ctx.actions.run_shell(
            inputs = [source],
            outputs = [copy],
            command = 'cp -L "$1" "$2" && chmod a-w "$2"',
            arguments = [source.path, copy.path],
            mnemonic = "PluginFolder",
            progress_message = "Copying %s into %s" % (source.basename, ctx.label.name),
        )
        outputs.append(copy)
    return [DefaultInfo(files = depset(outputs), runfiles = ctx.runfiles(files = outputs))]

plugin_folder = rule(
    implementation = _plugin_folder_impl,
    doc = "Copies plugins and manifests side by side into bazel-bin/<package>/<name>/.",
    attrs = {
        "plugins": attr.label_list(
            allow_files = True,
            mandatory = True,
            doc = "sy_plugin targets, or single files.",
        ),
    },
)
