# What is installed beside programs, libraries and plugins. Whole folders are: a new page, pipeline or header of the kit needs no line here.

# Files by their paths in the source tree.
installed_documents = cd $(srcdir) && find README.md CHANGELOG.md CONTRIBUTING.md LICENSE docs findings -type f
installed_data = cd $(srcdir) && find pipelines datasets -type f
installed_kit = cd $(srcdir) && find kit -name '*.h' -type f

# install_each, remove_each FOLDER: the paths that come in, below that folder.
install_each = install_each() { while read -r path; do case $$path in */*) $(MKDIR_P) "$$1/$${path%/*}" ;; esac; \
    $(INSTALL_DATA) "$(srcdir)/$$path" "$$1/$$path" || exit 1; done; }; set -e;
remove_each = remove_each() { sort -r | while read -r path; do rm -f "$$1/$$path"; case $$path in */*) echo "$${path%/*}" ;; esac; done | sort -ru | \
    while read -r path; do while rmdir "$$1/$$path" 2>/dev/null; do case $$path in */*) path=$${path%/*} ;; *) break ;; esac; done; done; \
    rmdir "$$1" 2>/dev/null || :; };

# Plugins are opened by their path: libtool's descriptions of them are for nobody.
installed_plugins = for file in $(LTLIBRARIES); do case $$file in plugins/*) echo "$(DESTDIR)$(pluginsdir)/$${file\#plugins/}" ;; esac; done

install-data-local:
	$(MKDIR_P) "$(DESTDIR)$(docdir)" "$(DESTDIR)$(pkgdatadir)" "$(DESTDIR)$(pkgincludedir)"
	@$(install_each) ($(installed_documents)) | install_each "$(DESTDIR)$(docdir)"; \
	    ($(installed_data)) | install_each "$(DESTDIR)$(pkgdatadir)"; ($(installed_kit)) | install_each "$(DESTDIR)$(pkgincludedir)"
install-data-hook:
	@$(installed_plugins) | while read -r file; do rm -f "$$file"; done
# Position-independent, as it is linked into plugins.
install-exec-local: kit/libkit.la
	$(MKDIR_P) "$(DESTDIR)$(libdir)"
	$(INSTALL_DATA) kit/.libs/libkit.a "$(DESTDIR)$(libdir)/libtessera-kit.a"
	$(RANLIB) "$(DESTDIR)$(libdir)/libtessera-kit.a"
uninstall-local:
	@$(remove_each) ($(installed_documents)) | remove_each "$(DESTDIR)$(docdir)"; \
	    ($(installed_data)) | remove_each "$(DESTDIR)$(pkgdatadir)"; ($(installed_kit)) | remove_each "$(DESTDIR)$(pkgincludedir)"
	rm -f "$(DESTDIR)$(libdir)/libtessera-kit.a"
uninstall-hook:
	@$(installed_plugins) | while read -r file; do rm -f "$${file%.la}.so"; rmdir "$${file%/*}" 2>/dev/null || :; done
	@rmdir "$(DESTDIR)$(pluginsdir)" "$(DESTDIR)$(libdir)/tessera" 2>/dev/null || :
EXTRA_DIST += findings
