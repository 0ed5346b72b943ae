/** Calls that change nothing, whatever they are given, and that may be made again after a lost answer. */
export const readMethods: readonly string[] = [
  ...['volumes', 'info', 'volumesById', 'status', 'statusOf', 'openVolumes', 'checkpoints', 'commits', 'versions', 'retention', 'quota', 'stats', 'holders'],
  ...['policy', 'auditRead', 'auditState', 'beginAuditVerify', 'tagged', 'beginHistoryUse', 'beginDirectoryUse'],
  ...['checkStore', 'logOpen', 'blameOpen', 'diffOpen', 'contentsOpen', 'flush', 'cacheStats', 'localPlace', 'prefetch', 'cachedFiles', 'server.status'],
]
