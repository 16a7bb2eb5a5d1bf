/**
 * The commands of FORMAT.md, "Restoring by hand", filled in for one site; a test holds the two together. Each step is
 * run in the folder that holds the copy of the bucket.
 */
export interface CommandsInput {
  site: string;
  database: string;
  endpoint: string;
  bucket: string;
  /** PEM. */
  manifestKey: string;
}

export interface Commands {
  copy: string;
  verify: string;
  dump: string;
  pointInTime: string;
}

export function restoreCommands({ site, database, endpoint, bucket, manifestKey }: CommandsInput): Commands {
  return {
    copy: `mkdir restore && cd restore
aws --endpoint-url ${endpoint} s3 sync s3://${bucket}/${site}/ ${site}/`,
    verify: `cat > manifest.pub <<'EOF'
${manifestKey.trim()}
EOF
entry=$(ls ${site}/manifest/*.json | tail -n 1)
{ printf 'skooly-edge/manifest/1\\n'; head -n 1 "$entry" | tr -d '\\n'; } > signed
tail -n 1 "$entry" | jq -r .signature | base64 -d > signature
openssl pkeyutl -verify -pubin -inkey manifest.pub -rawin -in signed -sigfile signature
before=
for file in ${site}/manifest/*.json; do
  test "$before" = "" || test "$(head -n 1 "$file" | jq -r .previous)" = "$before" || echo "$file does not follow"
  before=$(sha256sum "$file" | cut -d ' ' -f 1)
done
cat ${site}/manifest/*.json | jq -c 'select(.put) | .put[]' > objects`,
    dump: `name=$(jq -r 'select(.kind == "dump") | .name' objects | tail -n 1)
jq -r --arg name "$name" 'select(.name == $name) | .sha256 + "  " + .name' objects | sha256sum --check
gpg --decrypt "$name" | zstd -d > ${database}.dump
createdb ${database}
pg_restore --no-owner --exit-on-error --dbname ${database} ${database}.dump`,
    pointInTime: `base=$(jq -r 'select(.kind == "base" and .about.endedAt <= "2026-11-23T09:32:00Z") | .name' objects | tail -n 1)
mkdir -m 700 data && gpg --decrypt "$base" | zstd -d | tar -x -C data
pg_verifybackup --no-parse-wal data
mkdir wal
jq -r 'select(.kind == "wal") | .about.segment + " " + .name' objects |
  while read -r segment name; do gpg --decrypt "$name" < /dev/null | zstd -d > "wal/$segment"; done
jq -r 'select(.kind == "history") | .about.file + " " + .name' objects |
  while read -r file name; do gpg --decrypt "$name" < /dev/null | zstd -d > "wal/$file"; done
touch data/postgresql.conf data/pg_ident.conf data/recovery.signal
test -e data/pg_hba.conf || echo 'local all all peer' > data/pg_hba.conf
cat >> data/postgresql.auto.conf <<EOF
archive_mode = off
hot_standby = off
restore_command = 'cp $PWD/wal/%f %p'
recovery_target_time = '2026-11-23 10:32:00+01'
recovery_target_action = 'promote'
EOF
pg_ctl -D data -l log -t 86400 -o '-p 5499 -k /tmp -c listen_addresses=' start
until psql -h /tmp -p 5499 -d postgres -Atc 'select not pg_is_in_recovery()'; do
  sleep 2
  pg_ctl -D data status || { tail log; break; }
done`,
  };
}
