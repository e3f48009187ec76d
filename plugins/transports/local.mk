transportsdir = $(pluginsdir)/transports
transports_LTLIBRARIES = plugins/transports/local.la
plugins_transports_local_la_SOURCES = plugins/transports/local/local.c plugins/transports/local/local_private.h \
    plugins/transports/local/local_socket.c
plugins_transports_local_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_transports_local_la_LIBADD = $(PLUGIN_LIBS)

transport_librariesdir = $(transportsdir)/libraries
transport_libraries_LTLIBRARIES =

# What is listed, and what is loaded with MPI when the transport is opened.
if HAVE_MPI
transports_LTLIBRARIES += plugins/transports/mpi.la
plugins_transports_mpi_la_SOURCES = plugins/transports/mpi/mpi_table.c plugins/transports/mpi/mpi_table.h
plugins_transports_mpi_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_transports_mpi_la_LIBADD = $(PLUGIN_LIBS)

transport_libraries_LTLIBRARIES += plugins/transports/libraries/mpi.la
plugins_transports_libraries_mpi_la_SOURCES = plugins/transports/mpi/mpi_table.h plugins/transports/mpi/mpi_transport.c
plugins_transports_libraries_mpi_la_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CFLAGS)
plugins_transports_libraries_mpi_la_LDFLAGS = $(LIBRARY_LDFLAGS)
plugins_transports_libraries_mpi_la_LIBADD = $(PLUGIN_LIBS) $(MPI_LIBS)
endif
