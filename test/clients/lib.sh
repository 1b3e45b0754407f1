# Shared by the client scripts: reporting of steps, assertions, and questions to the registry.
# shellcheck shell=bash
#
# run.sh provides:
#   REGISTRY   host:port of the registry under test, plain HTTP
#   NAMESPACE  prefix of the repositories of this script, unique to the run
#   REPO       $REGISTRY/$NAMESPACE
#   OTHER_REGISTRY, OTHER_REPO   the same by way of another node; the same node where there is one only
#   FIXTURES   images made by fixtures.sh, shared by all scripts, read only
#   WORK       a directory of this script, removed by run.sh when it has ended
#   TOOLS      where install.sh put what it built
#   RESULTS    file that collects "ok" and "FAIL" lines for the summary

: "${REGISTRY:?start this through run.sh}" "${NAMESPACE:?}" "${REPO:?}" "${FIXTURES:?}" "${WORK:?}" "${RESULTS:?}"

MISSING=69 # exit status of a script that lacks its client, and has said so

# Tags in an order that no listing should keep, to be sorted byte by byte.
# shellcheck disable=SC2034 # used by the client scripts
TAGS=(1.2.1 latest 1.2-alpine 1.10 1.2)

MANIFEST_TYPES='application/vnd.oci.image.manifest.v1+json,application/vnd.oci.image.index.v1+json'
MANIFEST_TYPES+=',application/vnd.docker.distribution.manifest.v2+json,application/vnd.docker.distribution.manifest.list.v2+json'

# report ok|FAIL NAME...: one line of the result, counted in the summary.
report() {
  local outcome=$1
  shift
  echo "$outcome" >>"$RESULTS"
  printf '%-4s %s\n' "$outcome" "$*"
}

# step NAME COMMAND...: runs the command in a subshell of its own and reports how it went.
# Later steps run also when this one failed, so that one run shows everything that is wrong.
step() {
  local name=$1 log=$WORK/step.log status begin=$SECONDS
  shift
  set +e # the subshell must not be a condition: errexit would be off inside it
  (
    set -euo pipefail
    "$@"
  ) >"$log" 2>&1
  status=$?
  set -e
  if ((status == 0)); then
    report ok "$name ($((SECONDS - begin))s)"
  else
    report FAIL "$name (exit status $status)"
    tail -n 20 "$log" | sed 's/^/       /'
  fi
}

# need PROGRAM...: ends the script when one is missing, which is a failure: there are no skips.
need() {
  local program
  for program; do
    if ! command -v "$program" >/dev/null; then
      report FAIL "$program is not installed: run test/clients/install.sh"
      exit "$MISSING"
    fi
  done
}

# same WHAT GOT WANT
same() {
  [[ $2 == "$3" ]] && return
  printf '%s: got\n%s\nwant\n%s\n' "$1" "$2" "$3"
  return 1
}

# contains TEXT PATTERN: an extended regular expression
contains() {
  grep -qE -- "$2" <<<"$1" && return
  printf 'no match for %s in:\n%s\n' "$2" "$1"
  return 1
}

# refused COMMAND...: the command must fail and its output must speak of something unknown or not found.
refused() {
  local output
  if output=$("$@" 2>&1); then
    echo "succeeded, but should have been refused: $*"
    return 1
  fi
  contains "$output" '404|[Nn]ot [Ff]ound|[Uu]nknown|UNKNOWN'
}

# poll SECONDS COMMAND...: waits, in steps of 0.1 s, until the command succeeds. For daemons that come up.
poll() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      echo "gave up waiting for: $*"
      return 1
    fi
    sleep 0.1
  done
}

sha256() { sha256sum | cut -d' ' -f1; } # of stdin

sorted() { printf '%s\n' "$@" | LC_ALL=C sort; }

# fixture_digest NAME: the digest of a fixture's manifest or index.
fixture_digest() { jq -r '.manifests[0].digest' "$FIXTURES/$1/index.json"; }

# --- questions to the registry itself; the repository name is relative to $NAMESPACE

# api METHOD PATH [CURL OPTION...]: prints the body, fails on a status of 400 or more.
api() {
  local method=$1 path=$2
  shift 2
  curl -fsS -X "$method" -H "Accept: $MANIFEST_TYPES" "$@" "http://$REGISTRY/v2/$NAMESPACE/$path"
}

# api_status METHOD PATH
api_status() {
  local method=(-X "$1")
  [[ $1 == HEAD ]] && method=(--head)
  curl -sS "${method[@]}" -H "Accept: $MANIFEST_TYPES" -o "$WORK/api.body" -w '%{http_code}' "http://$REGISTRY/v2/$NAMESPACE/$2"
}

# digest_of NAME REFERENCE: what HEAD says.
digest_of() {
  curl -fsS --head -H "Accept: $MANIFEST_TYPES" "http://$REGISTRY/v2/$NAMESPACE/$1/manifests/$2" |
    tr -d '\r' | sed -n 's/^docker-content-digest: //Ip'
}

tags_of() { api GET "$1/tags/list" | jq -r '.tags[]'; }

# gone NAME REFERENCE: neither HEAD nor GET find the manifest.
gone() {
  same "HEAD $1 $2" "$(api_status HEAD "$1/manifests/$2")" 404
  same "GET $1 $2" "$(api_status GET "$1/manifests/$2")" 404
}

# remove NAME REFERENCE: for clients that cannot delete by themselves.
remove() { same "DELETE $1 $2" "$(api_status DELETE "$1/manifests/$2")" 202; }

# our_repositories: reduces a catalog on stdin to the names, relative to $NAMESPACE, of this script.
our_repositories() { sed -n "s|^.*$NAMESPACE/||p"; }
