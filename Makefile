# What readers and authors run; `make` alone lists it. Each target first sees to .venv (tools/environment.py).
# PYTHON=… names the interpreter that .venv is made with.
.DEFAULT_GOAL := help
.PHONY: help book check browser chapters test test-all execute export students assignment grade otter nbgrader lint lab bank bench links lock release fork clean

python := .venv/bin/python
find_python := $(or $(PYTHON),python3)
lint = @$(python) -m ruff check . && $(python) -m ruff format --check .
# A process of tests for each core, but torch takes half a gigabyte in each.
pytest = $(python) -m pytest -n logical --maxprocesses 4 --dist worksteal
lists := requirements.txt requirements-site.txt requirements-lab.txt requirements-dev.txt
alone := requirements-otter.txt requirements-nbgrader.txt
compile := pip compile --universal --python-version 3.11 --upgrade --quiet --no-annotate --custom-compile-command "make lock"

# The environment is the book's own: what a person's shell adds to every Python stays outside.
unexport $(filter-out PYTHON,$(filter PYTHON%,$(.VARIABLES)))
ifneq ($(LIKELAB_DATA),)  # a relative folder starts here, for tools and for kernels, which run in book/
override LIKELAB_DATA := $(or $(shell cd '$(LIKELAB_DATA)' 2>/dev/null && pwd),$(LIKELAB_DATA))
export LIKELAB_DATA
endif

define setup
@$(find_python) -c "" 2>/dev/null || { echo "$(find_python) does not run. Install Python 3.11, 3.12 or 3.13, or name one: make $@ PYTHON=/path/to/python3.13" >&2; exit 1; }
@PYTHON="$(PYTHON)" $(find_python) tools/environment.py $(1)
endef

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r target what; do printf "  make %-10s %s\n" "$$target" "$$what"; done

book: ## build the website from the stored outputs; needs no data and no torch
	$(call setup,requirements-site.txt)
	@echo "Building the site …"
	@.venv/bin/jupyter-book build . -W -n --keep-going --all -q >/dev/null
	@echo "The book is built. Open it in a browser: file://$(CURDIR)/_build/html/index.html"

check: ## what one works with: style, tests of the library and the tools; a minute
	$(call setup,requirements-dev.txt)
	$(lint)
	$(pytest) -m "not slow and not browser and not chapter" tests/library tests/tools

browser: ## build the site, and look at its pages in a browser
	$(call setup,requirements-dev.txt)
	$(pytest) -m browser

chapters: ## run each chapter once, and the slow tests
	$(call setup,requirements-dev.txt)
	$(pytest) -m "(slow or chapter) and not browser"
	$(python) -m tools.chapter.run_chapters

test: ## check everything, running each chapter once (real images where they are, else stand-ins)
	$(call setup,requirements-dev.txt)
	$(lint)
	$(pytest)
	$(python) -m tools.chapter.run_chapters

test-all: ## the same with every chapter on real images, on stand-ins, and as in Colab
	$(call setup,requirements-dev.txt)
	$(lint)
	$(pytest)
	$(python) -m tools.chapter.run_chapters --all
	$(python) -m tools.chapter.colab

execute: ## run the chapters on the real images and store their outputs (CHAPTERS=book/05_glow.ipynb for one)
	$(call setup,requirements-dev.txt)
	$(python) -m tools.chapter.execute $(CHAPTERS)

export: ## write the cells tagged `export` to book/likelab/models
	$(call setup,requirements-dev.txt)
	$(python) -m tools.chapter.export

students: ## write the student notebooks of coursework/, and prove that they give nothing away
	$(call setup,requirements-dev.txt)
	$(python) -m tools.course.students

assignment: ## write a cohort's own assignments, to hand out (COHORT=2027)
	$(call setup,requirements-dev.txt)
	$(python) -m tools.course.students $(or $(COHORT),$(error name the class: make assignment COHORT=2027))

grade: ## mark a folder of submissions (DIR=submissions, ASSIGNMENT=a1, COHORT=2027)
	$(call setup,requirements-dev.txt)
	$(python) -m tools.course.grade "$(DIR)" $(if $(ASSIGNMENT),--assignment $(ASSIGNMENT)) $(if $(COHORT),--cohort $(COHORT))

otter: ## write an assignment for otter-grader and Gradescope (ASSIGNMENT=a1, COHORT=2027)
	$(call setup,requirements-dev.txt)
	$(python) -m tools.course.exports otter $(ASSIGNMENT) $(COHORT)

nbgrader: ## write an assignment into a course of nbgrader (ASSIGNMENT=a1, COHORT=2027)
	$(call setup,requirements-dev.txt)
	$(python) -m tools.course.exports nbgrader $(ASSIGNMENT) $(COHORT)

lint: ## check style and format
	$(call setup,requirements-dev.txt)
	$(lint)

lab: ## open the chapters in JupyterLab, which is installed first
	$(call setup,requirements-lab.txt)
	cd book && ../$(python) -m jupyter lab

bank: ## train the reference runs that are missing or out of date (BANK=glow-1 for one)
	$(call setup,requirements-dev.txt)
	$(python) -m tools.runs.bank $(BANK)

bench: ## measure how fast the models train and score
	$(call setup,requirements-dev.txt)
	$(python) -m tools.runs.bench

links: ## ask every address that the site links to whether it is there; needs a network
	$(call setup,requirements-site.txt)
	@.venv/bin/jupyter-book build . --builder linkcheck --path-output _build/links --all -q

lock: ## write locks/ anew: versions of all that the lists bring, the newest that fit them, for all systems
	$(call setup,requirements-lock.txt)
	@mkdir -p _build/lists
	@for list in $(lists); do sed '/^-c /d' $$list >_build/lists/$$list || exit; done
	@cd _build/lists && ../../.venv/bin/uv $(compile) requirements-dev.txt -o requirements-dev.lock
	@cd _build/lists && for list in $(lists); do ../../.venv/bin/uv $(compile) $$list -c requirements-dev.lock -o ../../locks/$$list || exit; done
	@for list in $(alone); do sed '/^-c /d' $$list >_build/lists/$$list && (cd _build/lists && ../../.venv/bin/uv $(compile) $$list -o ../../locks/$$list) || exit; done

release: ## write a release's number into likelab and all chapters, commit and tag (VERSION=0.2.0); pushes nothing
	$(call setup,requirements-site.txt)
	@$(python) -m tools.website.release "$(VERSION)"

fork: ## make your repository's address the book's (ADDRESS=https://github.com/you/your-book)
	$(call setup,requirements-site.txt)
	@$(python) -m tools.website.fork "$(ADDRESS)"

clean: ## remove what was built; .venv and chapters as text (_build/text) stay
	test ! -d _build || find _build -mindepth 1 -maxdepth 1 ! -name text -exec rm -rf {} +
	rm -rf .pytest_cache .ruff_cache .hypothesis
	find book coursework tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
