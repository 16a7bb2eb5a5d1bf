/**
 * The least that a cluster of one needs. `crc`, since radosgw asks for encryption by itself, which needs the authentication
 * that is off; small intervals, since each pool of radosgw waits for several rounds of the monitor.
 */
export function cephConfig(options: { dir: string; fsid: string; mon: number; gateway: number }): string {
  const { dir, fsid, mon, gateway } = options;
  return `[global]
fsid = ${fsid}
mon host = v2:127.0.0.1:${mon}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
ms mon client mode = crc
ms mon service mode = crc
ms mon cluster mode = crc
run dir = ${dir}
admin socket = ${dir}/$name.asok
log file = ${dir}/$name.log
pid file = ${dir}/$name.pid
mon data = ${dir}/mon
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 0
mon tick interval = 1
paxos propose interval = 0.05
paxos min wait = 0.01
osd data = ${dir}/osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw data = ${dir}/rgw
rgw frontends = beast endpoint=127.0.0.1:${gateway}
rgw thread pool size = 32
rgw enable usage log = false
rgw enable ops log = false
rgw enable quota threads = false
rgw enable lc threads = false
rgw enable gc threads = false
rgw run sync thread = false
rgw dynamic resharding = false
`;
}
