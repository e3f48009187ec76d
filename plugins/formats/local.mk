# Containers of tensors.

formatsdir = $(pluginsdir)/formats
formats_LTLIBRARIES = plugins/formats/safetensors.la
plugins_formats_safetensors_la_SOURCES = plugins/formats/safetensors/safetensors.c plugins/formats/safetensors/json_header.c \
    plugins/formats/safetensors/json_header.h
plugins_formats_safetensors_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_safetensors_la_LIBADD = $(PLUGIN_LIBS)

formats_LTLIBRARIES += plugins/formats/torch.la
plugins_formats_torch_la_SOURCES = plugins/formats/torch/torch.c plugins/formats/torch/torch_file.h plugins/formats/torch/storage_sum.c \
    plugins/formats/torch/storage_sum.h plugins/formats/torch/torch_write.c \
    plugins/formats/torch/torch_write.h plugins/formats/torch/torch_zip.c \
    plugins/formats/torch/torch_legacy.c plugins/formats/torch/zip_members.c plugins/formats/torch/zip_members.h \
    plugins/formats/torch/pickle.c plugins/formats/torch/pickle.h plugins/formats/torch/pickle_machine.c \
    plugins/formats/torch/pickle_machine.h plugins/formats/torch/pickle_names.c plugins/formats/torch/pickle_objects.c \
    plugins/formats/torch/pickle_objects.h plugins/formats/torch/pickle_dictionary.c
plugins_formats_torch_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS)
plugins_formats_torch_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_formats_torch_la_LIBADD = $(PLUGIN_LIBS) $(ZLIB_LIBS)
