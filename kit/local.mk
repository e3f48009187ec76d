# What plugins and the command share: compiled once, with no promise of a stable interface. A plugin is linked with all of it and the
# linker drops what it does not use, hence a section for each function.
noinst_LTLIBRARIES += kit/libkit.la
kit_libkit_la_CFLAGS = $(AM_CFLAGS) -ffunction-sections -fdata-sections
kit_libkit_la_SOURCES = kit/archive/code_arrays.c kit/archive/code_arrays.h kit/archive/codebook.c kit/archive/codebook.h \
    kit/archive/content.c kit/archive/content.h kit/archive/crop_list.c kit/archive/crop_list.h kit/archive/crops.c \
    kit/archive/crops.h kit/archive/rows.c kit/archive/rows.h \
    kit/archive/selection.c kit/archive/selection.h kit/image/fit.c kit/image/fit.h kit/backend/addresses.h kit/backend/backend_table.h \
    kit/checkpoint/conv_layout.c kit/checkpoint/conv_layout.h kit/checkpoint/critic_names.c kit/checkpoint/critic_names.h \
    kit/checkpoint/extras.c kit/checkpoint/extras.h kit/checkpoint/name_table.c kit/checkpoint/name_table.h kit/checkpoint/renamed_names.c \
    kit/checkpoint/renamed_names.h kit/checkpoint/taming_autoencoder.c kit/checkpoint/taming_autoencoder.h \
    kit/checkpoint/transformer_layout.c kit/checkpoint/transformer_layout.h kit/codebook/codebook.c kit/codebook/codebook.h kit/codebook/inner.c kit/codebook/inner.h kit/codebook/rebuild.c kit/codebook/rebuild.h \
    kit/format/json_member.c kit/format/json_member.h kit/format/packing.c kit/format/packing.h kit/ranks/launcher.c \
    kit/ranks/launcher.h kit/format/npy_header.c kit/format/npy_header.h kit/format/steady_file.c \
    kit/format/steady_file.h kit/image/image_name.c kit/image/image_name.h \
    kit/image/geometry_loops.c kit/image/geometry_loops.h kit/image/layout.c kit/image/layout.h \
    kit/format/numbers.c kit/format/numbers.h kit/image/geometry.c kit/image/geometry.h kit/infer/classifier.c kit/infer/classifier.h \
    kit/train/code_rows.c kit/train/code_rows.h kit/infer/codes.c kit/infer/codes.h kit/infer/common.h kit/infer/cost.c kit/infer/cost.h \
    kit/infer/round_trip.c kit/infer/round_trip.h kit/infer/stage_codec.c kit/infer/stage_codec.h \
    kit/infer/stage_graph.c kit/infer/stage_graph.h kit/infer/stage_images.c kit/infer/stage_images.h kit/infer/stage_results.c \
    kit/infer/stage_results.h kit/infer/image_distances.c kit/infer/image_distances.h kit/infer/image_vectors.c \
    kit/infer/image_vectors.h kit/metric/bootstrap.c kit/metric/bootstrap.h kit/metric/feature_sets.c kit/metric/feature_sets.h \
    kit/metric/measure.c kit/metric/measure_finish.c kit/metric/row_values.c kit/metric/row_values.h kit/metric/mean_error.c \
    kit/metric/mean_error.h kit/metric/measure.h kit/metric/radii.c kit/metric/radii.h kit/metric/results.c kit/metric/results.h \
    kit/nets/conv_blocks.c kit/nets/conv_blocks.h kit/nets/magvit2_blocks.c kit/nets/magvit2_blocks.h kit/sample/canvas.c kit/sample/canvas.h kit/sample/canvas_private.h \
    kit/sample/canvas_windows.c kit/sample/draws.c kit/sample/draws.h kit/sample/region.c kit/sample/region.h kit/sample/sampling.c \
    kit/sample/sampling.h kit/sample/windows.c kit/sample/windows.h kit/train/adversarial.c kit/train/adversarial.h \
    kit/train/adversarial_losses.c kit/train/adversarial_losses.h \
    kit/train/autoencoding.c kit/train/autoencoding.h kit/train/code_usage.c kit/train/code_usage.h kit/train/diffaug.c \
    kit/train/diffaug.h kit/train/likelihood.c kit/train/likelihood.h kit/train/perceptual.c kit/train/perceptual.h \
    kit/train/warm_start.c kit/train/warm_start.h
