export const DEFAULT_CONFIG = '/etc/skooly-backup/backup.json';
