# Containers of tensors. The one of PyTorch needs libzip.
FORMAT_COMMON = plugins/formats/numbers.c plugins/formats/numbers.h

formatsdir = $(pluginsdir)/formats
formats_LTLIBRARIES = plugins/formats/safetensors.la
plugins_formats_safetensors_la_SOURCES = plugins/formats/safetensors.c plugins/formats/json_header.c plugins/formats/json_header.h \
    $(FORMAT_COMMON)
plugins_formats_safetensors_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_safetensors_la_LIBADD = $(PLUGIN_LIBS)

if HAVE_LIBZIP
formats_LTLIBRARIES += plugins/formats/torch.la
plugins_formats_torch_la_SOURCES = plugins/formats/torch.c plugins/formats/pickle.c plugins/formats/pickle.h \
    plugins/formats/pickle_objects.c plugins/formats/pickle_private.h $(FORMAT_COMMON)
plugins_formats_torch_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBZIP_CFLAGS)
plugins_formats_torch_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_torch_la_LIBADD = $(PLUGIN_LIBS) $(LIBZIP_LIBS)
endif
