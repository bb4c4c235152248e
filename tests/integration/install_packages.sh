#!/bin/sh
# Installs what some tests need beside Python, where that takes no password. Without it these tests skip.
PATH=$PATH:/usr/sbin:/sbin

# install FOR PROGRAMS PACKAGES: a machine that has one of the programs is left as it is
install() {
    for program in $2; do
        command -v "$program" >/dev/null && return
    done
    echo "installing the system packages $3, for the tests of $1"
    timeout 60 $as_root apt-get update -qq >/dev/null 2>&1 &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $3 >/dev/null 2>&1 ||
        echo "that failed: these tests will be skipped"
}

command -v apt-get >/dev/null || exit 0
if [ "$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else exit 0; fi
install profiles/slurm "srun slurmctld slurmd munged" "slurm-wlm munge"
install "the report's pages" "chromium chromedriver google-chrome" "chromium chromium-driver"
install "the LaTeX tables" "pdflatex" "texlive-latex-recommended poppler-utils"
