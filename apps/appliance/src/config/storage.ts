/** What the box may fill: how long the log keeps what is acknowledged, and from which free space on something gives way. */
import type { DiskSettings } from '../disk/disk.ts';
import type { RetentionSettings } from '../sync-log/retention.ts';
import { ConfigError } from './errors.ts';
import type { FieldValues } from './fields.ts';

const dayMs = 24 * 3_600_000;

export interface StorageConfig {
  retention: RetentionSettings;
  disk: DiskSettings;
  /** Watched beside the state folder. */
  diskFolders: string[];
  ballastBytes: number;
}

/** @throws ConfigError where the thresholds are not in their order. */
export function readStorage(values: FieldValues): StorageConfig {
  const { EDGE_DISK_WARN_BYTES: warnBytes, EDGE_DISK_TRIM_BYTES: trimBytes } = values;
  const { EDGE_DISK_REFUSE_BYTES: refuseBytes, EDGE_DISK_BALLAST_BYTES: ballastBytes } = values;
  atMost('EDGE_DISK_TRIM_BYTES', trimBytes, `EDGE_DISK_WARN_BYTES (${warnBytes})`, warnBytes);
  atMost('EDGE_DISK_REFUSE_BYTES', refuseBytes, `EDGE_DISK_TRIM_BYTES (${trimBytes})`, trimBytes);
  // Given up, the reserve must not look like room for writes.
  const fifth = Math.floor(refuseBytes / 5);
  atMost('EDGE_DISK_BALLAST_BYTES', ballastBytes, `a fifth of EDGE_DISK_REFUSE_BYTES (${fifth})`, fifth);
  return {
    retention: { keepMs: values.EDGE_LOG_KEEP_DAYS * dayMs, budgetBytes: values.EDGE_LOG_BUDGET_BYTES },
    disk: { warnBytes, trimBytes, refuseBytes, intervalMs: values.EDGE_DISK_INTERVAL_MS },
    diskFolders: (values.EDGE_DISK_FOLDERS ?? '')
      .split(',')
      .map((folder) => folder.trim())
      .filter((folder) => folder !== ''),
    ballastBytes,
  };
}

function atMost(field: keyof FieldValues, value: number, limit: string, limitValue: number): void {
  if (value > limitValue) throw new ConfigError(field, `is ${value}`, `set it to ${limit} or less`);
}
