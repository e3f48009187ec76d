# make: the plugin; make check: its test, make run: its pipeline; make install: into Tessera's folder of plugins.
# Tables of functions grow at their end; what a shorter one does not say is 0, and no warning is wanted for that.
NAME = template-name
FLAGS = -std=c++11 -O2 -g -Wall -Wextra -Wno-missing-field-initializers -fPIC -fvisibility=hidden $(shell pkg-config --cflags tessera)
LIBS = $(shell pkg-config --libs tessera) -lm
PLUGINS = $(DESTDIR)$(shell pkg-config --variable=plugindir tessera)/template-folder

$(NAME).so: $(NAME).cc
	$(CXX) $(FLAGS) $(CXXFLAGS) -shared -Wl,-z,defs -o $@ $< $(LIBS) $(LDFLAGS)
test_$(NAME): test_$(NAME).cc
	$(CXX) $(FLAGS) $(CXXFLAGS) -o $@ $< $(LIBS) $(LDFLAGS)
check: $(NAME).so test_$(NAME)
	./test_$(NAME) ./$(NAME).so
run: $(NAME).so
	tessera run $(NAME).yaml --plugin-path . $(SET)
install: $(NAME).so
	mkdir -p $(PLUGINS) && cp $< $(PLUGINS)/
clean:
	rm -rf $(NAME).so test_$(NAME) runs
.PHONY: check run install clean
