# Every stage is a plugin of its own; what they share is compiled into each.
STAGE_COMMON = plugins/stages/common.c plugins/stages/common.h plugins/stages/cost.c plugins/stages/cost.h
START = plugins/stages/start.c plugins/stages/start.h
ROUND_TRIP = plugins/stages/round_trip.c plugins/stages/round_trip.h
SAMPLING = plugins/stages/sampling.c plugins/stages/sampling.h
AUTOENCODING = plugins/stages/autoencoding.c plugins/stages/autoencoding.h plugins/stages/adversarial.c plugins/stages/adversarial.h \
    plugins/stages/diffaug.c plugins/stages/diffaug.h plugins/stages/perceptual.c plugins/stages/perceptual.h \
    plugins/stages/geometry.c plugins/stages/geometry.h
LIKELIHOOD = plugins/stages/likelihood.c plugins/stages/likelihood.h

stagesdir = $(pluginsdir)/stages
stages_LTLIBRARIES = \
    plugins/stages/import.la \
    plugins/stages/train_features.la \
    plugins/stages/train_autoencoder.la \
    plugins/stages/train_prior.la \
    plugins/stages/encode.la \
    plugins/stages/sample.la \
    plugins/stages/decode.la \
    plugins/stages/evaluate.la \
    plugins/stages/refit.la \
    plugins/stages/nearest_neighbours.la \
    plugins/stages/train_likelihood.la \
    plugins/stages/edit.la \
    plugins/stages/sample_canvas.la

plugins_stages_import_la_SOURCES = plugins/stages/import.c plugins/stages/import_image.c plugins/stages/import_image.h \
    plugins/stages/import_read.c plugins/stages/import_result.c plugins/stages/import_rows.c plugins/stages/import_rows.h \
    plugins/stages/import_work.h plugins/stages/geometry.c \
    plugins/stages/geometry.h $(STAGE_COMMON)
plugins_stages_import_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_import_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_train_features_la_SOURCES = plugins/stages/train_features.c $(STAGE_COMMON)
plugins_stages_train_features_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_train_features_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_train_autoencoder_la_SOURCES = plugins/stages/train_autoencoder.c $(AUTOENCODING) $(START) $(STAGE_COMMON)
plugins_stages_train_autoencoder_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_train_autoencoder_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_train_prior_la_SOURCES = plugins/stages/train_prior.c $(START) $(STAGE_COMMON)
plugins_stages_train_prior_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_train_prior_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_encode_la_SOURCES = plugins/stages/encode.c plugins/stages/geometry.c plugins/stages/geometry.h $(STAGE_COMMON)
plugins_stages_encode_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_encode_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_sample_la_SOURCES = plugins/stages/sample.c $(SAMPLING) $(STAGE_COMMON)
plugins_stages_sample_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_sample_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_decode_la_SOURCES = plugins/stages/decode.c $(STAGE_COMMON)
plugins_stages_decode_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_decode_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_evaluate_la_SOURCES = plugins/stages/evaluate.c $(LIKELIHOOD) $(ROUND_TRIP) $(STAGE_COMMON)
plugins_stages_evaluate_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_evaluate_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_refit_la_SOURCES = plugins/stages/refit.c plugins/stages/refit_pool.c plugins/stages/refit_pool.h \
    plugins/stages/refit_report.c plugins/stages/refit_report.h $(AUTOENCODING) $(ROUND_TRIP) $(REBUILD) $(STAGE_COMMON)
plugins_stages_refit_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_refit_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_nearest_neighbours_la_SOURCES = plugins/stages/nearest_neighbours.c plugins/stages/image_search.c \
    plugins/stages/image_search.h plugins/stages/perceptual.c plugins/stages/perceptual.h $(STAGE_COMMON)
plugins_stages_nearest_neighbours_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_nearest_neighbours_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_train_likelihood_la_SOURCES = plugins/stages/train_likelihood.c $(LIKELIHOOD) $(STAGE_COMMON)
plugins_stages_train_likelihood_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_train_likelihood_la_LIBADD = $(PLUGIN_LIBS)

plugins_stages_edit_la_SOURCES = plugins/stages/edit.c plugins/stages/edit_results.c plugins/stages/edit_results.h \
    plugins/stages/region.c plugins/stages/region.h $(SAMPLING) $(STAGE_COMMON)
plugins_stages_edit_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_edit_la_LIBADD = $(PLUGIN_LIBS)

CANVAS = plugins/stages/canvas.c plugins/stages/canvas.h plugins/stages/windows.c plugins/stages/windows.h
plugins_stages_sample_canvas_la_SOURCES = plugins/stages/sample_canvas.c $(CANVAS) $(SAMPLING) $(STAGE_COMMON)
plugins_stages_sample_canvas_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_stages_sample_canvas_la_LIBADD = $(PLUGIN_LIBS)
