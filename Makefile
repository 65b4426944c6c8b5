# Each target checks, or installs, what it needs and says so. ONCE=1 make up: ends when the loop is done.
.PHONY: up test bench bench-build bench-features bench-risk bench-serve faults fuzz lint install clean help

help:
	@echo "make up           build, then take examples/flights round the whole loop (ONCE=1: and end)"
	@echo "make test         format, house rules, all tests"
	@echo "make bench        benchmarks, with the release profile"
	@echo "make bench-build  the build side beside DVC, Great Expectations, Polars, Evidently (parts: scripts/bench-build.sh PART..)"
	@echo "make bench-features  features read online, and joined as of a time beside Feast (ARGS='100000 1': short)"
	@echo "make bench-risk   models of risk on published sets, beside baselines and Python's shap (DATA=FOLDER; ARGS='issta21 speed': those parts)"
	@echo "make bench-serve  serving beside nginx, Envoy, FastAPI, MLServer (ARGS='--rounds 1 --seconds 2': short)"
	@echo "make faults       what becomes of requests while servers stop, workers die, versions change (ARGS='soak --seconds 600': what grows)"
	@echo "make fuzz         every reader of what comes from outside, a minute each (ARGS='600 config upstream': ten minutes, those two)"
	@echo "make lint         clippy with every warning an error; licences and sources of dependencies"
	@echo "make install      the binary, with the release profile, into Cargo's folder (PREFIX=DIR: into DIR/bin)"
	@echo "make clean        what was built (ALL=1: test environments too)"

up test bench bench-build bench-features bench-risk bench-serve faults fuzz lint install clean:
	@./scripts/$@.sh $(ARGS)
