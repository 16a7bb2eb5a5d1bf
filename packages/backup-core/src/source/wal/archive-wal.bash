#!/bin/bash
# archive_command = '/bin/bash <this file> <access file> "%p" "%f"'
#
# Hands one file of pg_wal to the backup daemon of this machine. Ends with 0 only when the daemon, which proves itself by the
# second word of the access file, says that it holds exactly these bytes safe on its disk. Anything else is 1: Postgres keeps
# the file and tries again.
#
# It first tells where the file lies: a daemon that can open that very file reads it there. Where it cannot, it says so (411), and
# gets the bytes. One small program is started (stat; cat for the bytes), since this runs for each segment.
set -u
LC_ALL=C
access=$1 path=$2 name=$3
[[ $path == /* ]] || path=$PWD/$path

fail() {
  printf 'skooly-backup: %s is not archived: %s\n' "$name" "$1" >&2
  exit 1
}

{ read -r port ask answer <"$access"; } 2>/dev/null || fail "cannot read $access"
[[ -n $port && -n $ask && -n $answer ]] || fail "$access is not complete"
facts=$(stat -L -c '%s %.6Y %i' -- "$path") || fail "cannot look at $path"
read -r bytes modified inode <<<"$facts"
trap '' PIPE

head=$'HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer '$ask$'\r\nX-Modified: '$modified$'\r\n'

connect() {
  { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || fail "the backup daemon does not answer on port $port"
}

hear() {
  local line
  status='' safe=''
  while IFS= read -r -t 120 -u 3 line; do
    line=${line%$'\r'}
    [[ -n $status ]] || status=$line
    [[ -n $line ]] || break
    [[ ${line,,} == x-safe:* ]] && safe=${line#*: }
  done
}

connect
printf 'POST /here/%s %sX-Bytes: %s\r\nX-Inode: %s\r\nX-Path: %s\r\nContent-Length: 0\r\n\r\n' \
  "$name" "$head" "$bytes" "$inode" "$path" >&3 2>/dev/null
sent=$?
hear

if [[ $status == 'HTTP/1.1 411 '* ]]; then
  exec 3>&-
  connect
  {
    printf 'POST /wal/%s %sContent-Type: application/octet-stream\r\nContent-Length: %s\r\n\r\n' "$name" "$head" "$bytes"
    cat -- "$path"
  } >&3 2>/dev/null
  sent=$?
  hear
fi

[[ $status == 'HTTP/1.1 200 '* ]] || fail "${status:-no answer within two minutes}"
[[ $safe == "$answer $name $bytes" ]] || fail 'what answered is not the backup daemon'
[[ $sent -eq 0 ]] || fail 'it could not be read to its end'
exit 0
