# Compares sums over ranks with MPI's own, by bench/ranks/compare: make bench/exchange
if HAVE_MPI
EXTRA_PROGRAMS += bench/exchange
bench_exchange_SOURCES = bench/ranks/exchange.c
bench_exchange_CPPFLAGS = $(AM_CPPFLAGS) $(MPI_CFLAGS)
bench_exchange_LDADD = kit/libkit.la $(CORE_OBJECTS) $(CORE_LIBS) $(MPI_LIBS)
endif
# The latency between hosts that this machine plays, where the kernel has none to give: make bench/latency
EXTRA_PROGRAMS += bench/latency
bench_latency_SOURCES = bench/ranks/latency.c
bench_latency_LDADD =
