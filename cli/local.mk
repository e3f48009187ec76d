tessera_SOURCES += \
    cli/cli.h cli/flags.h cli/flags.c cli/last_words.c cli/main.c cli/manual.c cli/unknown_verb.c \
    cli/exchange_flags.h cli/exchange_flags.c cli/import_checkpoint.c cli/export_checkpoint.c \
    cli/graph.h cli/graph.c cli/graph_pipeline.c cli/inspect.c cli/options.c cli/plan.h cli/plan.c cli/plugins.h cli/plugins.c \
    cli/plugins_json.c cli/plugins_page.c cli/du.c cli/gc.c cli/ranks.h cli/ranks.c cli/run.c cli/sweep.c cli/table.h cli/table.c cli/diff.c cli/log.c \
    cli/view.h cli/view.c cli/view_images.c cli/why.c \
    cli/draw.h cli/draw.c cli/bench.h cli/bench.c cli/bench_model.h cli/bench_model.c cli/bench_cases.c cli/bench_peak.c cli/check.c

tessera_SOURCES += cli/report.c cli/submit.h cli/submit.c cli/submit_plan.c

tessera_SOURCES += cli/encode.h cli/encode.c cli/encode_append.c cli/encode_archive.c cli/encode_paths.c cli/encode_plan.c cli/encode_recipe.c cli/encode_stage.c \
    cli/encode_work.c cli/decode.c cli/decode_names.c
# Verbs on archives of codes.
tessera_SOURCES += cli/archive.h cli/archive.c cli/archive_export.c cli/archive_import.c cli/archive_info.c \
    cli/archive_former.c cli/archive_former.h cli/archive_repair.c cli/archive_revert.c cli/apart.c cli/archive_merge.c cli/archive_split.c cli/archive_stats.c cli/archive_tensor.c cli/archive_verify.c

# `tessera new` has its templates in it: those of all kinds, and what projects share.
tessera_SOURCES += cli/new.c cli/new_templates.h
nodist_tessera_SOURCES = cli/new_templates.c
TEMPLATES = kit/template/backend.c kit/template/backend.yaml kit/template/checkpoint.c kit/template/checkpoint.yaml \
    kit/template/critic.c kit/template/critic.yaml kit/template/decoder.c kit/template/decoder.yaml kit/template/denoiser.c \
    kit/template/denoiser.yaml kit/template/encoder.c kit/template/encoder.yaml kit/template/features.c \
    kit/template/features.yaml kit/template/format.c kit/template/format.yaml kit/template/metric.c kit/template/metric.yaml \
    kit/template/noise.c kit/template/noise.yaml kit/template/quantizer.c kit/template/quantizer.yaml kit/template/sampler.c \
    kit/template/sampler.expect kit/template/sampler.yaml kit/template/source.c kit/template/source.yaml kit/template/stage.c kit/template/stage.yaml \
    kit/template/transport.c kit/template/transport.yaml kit/template/test_backend.c kit/template/test_checkpoint.c \
    kit/template/test_critic.c kit/template/test_decoder.c kit/template/test_denoiser.c kit/template/test_encoder.c \
    kit/template/test_features.c kit/template/test_format.c kit/template/test_metric.c kit/template/test_noise.c \
    kit/template/test_quantizer.c kit/template/test_sampler.c kit/template/test_source.c kit/template/test_stage.c \
    kit/template/test_transport.c kit/template/project/Makefile kit/template/project/Makefile.cxx \
    kit/template/project/README.md kit/template/project/meson.build
cli/new_templates.c: $(TEMPLATES) kit/template/embed cli/local.mk
	$(AM_V_GEN)$(MKDIR_P) cli && (cd $(srcdir)/kit/template && sh embed $(TEMPLATES)) > $@.part && mv $@.part $@
CLEANFILES += cli/new_templates.c
EXTRA_DIST += $(TEMPLATES) kit/template/embed

# What the plugins say of themselves, a page a kind; tests/cli/test_plugins holds the pages to it.
plugin-docs: all
	mkdir -p $(srcdir)/docs/plugins
	for kind in `./tessera plugins | sed -n 's,^\([a-z]*\)/[0-9]*$$,\1,p'`; do \
	./tessera plugins $$kind --markdown > $(srcdir)/docs/plugins/$$kind.md || exit 1; done
.PHONY: plugin-docs
