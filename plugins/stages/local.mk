# Every stage is a plugin of its own; what they share is in kit.

stagesdir = $(pluginsdir)/stages
stages_LTLIBRARIES = plugins/stages/import.la plugins/stages/train_features.la plugins/stages/train_autoencoder.la \
    plugins/stages/train_prior.la plugins/stages/encode.la plugins/stages/sample.la plugins/stages/decode.la plugins/stages/evaluate.la \
    plugins/stages/refit.la plugins/stages/nearest_neighbours.la plugins/stages/train_likelihood.la plugins/stages/edit.la \
    plugins/stages/sample_canvas.la plugins/stages/classify.la plugins/stages/evaluate_codes.la

plugins_stages_import_la_SOURCES = plugins/stages/import/import.c plugins/stages/import/import_read.c \
    plugins/stages/import/import_result.c plugins/stages/import/import_work.h
plugins_stages_import_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_import_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_train_features_la_SOURCES = plugins/stages/train_features.c
plugins_stages_train_features_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_train_features_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_train_autoencoder_la_SOURCES = plugins/stages/train_autoencoder.c
plugins_stages_train_autoencoder_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_train_autoencoder_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_train_prior_la_SOURCES = plugins/stages/train_prior.c
plugins_stages_train_prior_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_train_prior_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_encode_la_SOURCES = plugins/stages/encode/encode.c plugins/stages/encode/encode_plan.c plugins/stages/encode/encode_read.c \
    plugins/stages/encode/encode_given.c plugins/stages/encode/encode_result.c plugins/stages/encode/encode_run.c \
    plugins/stages/encode/encode_work.h
plugins_stages_encode_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_encode_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_sample_la_SOURCES = plugins/stages/sample.c
plugins_stages_sample_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_sample_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_decode_la_SOURCES = plugins/stages/decode.c
plugins_stages_decode_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_decode_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_evaluate_la_SOURCES = plugins/stages/evaluate/evaluate.c plugins/stages/evaluate/evaluate_metrics.c \
    plugins/stages/evaluate/evaluate_feed.c plugins/stages/evaluate/evaluate_metrics.h \
    plugins/stages/evaluate/evaluate_bound.c plugins/stages/evaluate/evaluate_bound.h \
    plugins/stages/evaluate/evaluate_atlas.c plugins/stages/evaluate/evaluate_atlas.h
plugins_stages_evaluate_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_evaluate_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_refit_la_SOURCES = plugins/stages/refit/refit.c plugins/stages/refit/refit_pool.c plugins/stages/refit/refit_pool.h \
    plugins/stages/refit/refit_report.c plugins/stages/refit/refit_report.h
plugins_stages_refit_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_refit_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_nearest_neighbours_la_SOURCES = plugins/stages/nearest_neighbours/nearest_neighbours.c \
    plugins/stages/nearest_neighbours/image_search.c plugins/stages/nearest_neighbours/image_search.h \
    plugins/stages/nearest_neighbours/nearest_neighbours.h plugins/stages/nearest_neighbours/pictures.c
plugins_stages_nearest_neighbours_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_nearest_neighbours_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_train_likelihood_la_SOURCES = plugins/stages/train_likelihood.c
plugins_stages_train_likelihood_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_train_likelihood_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_edit_la_SOURCES = plugins/stages/edit/edit.c plugins/stages/edit/edit_models.c plugins/stages/edit/edit_models.h \
    plugins/stages/edit/edit_results.c plugins/stages/edit/edit_results.h
plugins_stages_edit_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_edit_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_sample_canvas_la_SOURCES = plugins/stages/sample_canvas.c
plugins_stages_sample_canvas_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_sample_canvas_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_evaluate_codes_la_SOURCES = plugins/stages/evaluate_codes.c
plugins_stages_evaluate_codes_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_evaluate_codes_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_classify_la_SOURCES = plugins/stages/classify.c
plugins_stages_classify_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_classify_la_LIBADD = $(PLUGIN_LIBS)
