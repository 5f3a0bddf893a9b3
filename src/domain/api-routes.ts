/** The routes of the HTTP API: its operations by name. What they take and answer is in src/application/api/operations.ts. */
export const apiRoutes = {
  startBackup: { method: 'POST', path: '/deployments/{deployment}/backups' },
  listBackups: { method: 'GET', path: '/deployments/{deployment}/backups' },
  listAllBackups: { method: 'GET', path: '/backups' },
  describeBackup: { method: 'GET', path: '/backups/{backupId}' },
  showRecoveryWindow: { method: 'GET', path: '/deployments/{deployment}/recovery-window' },
  prune: { method: 'POST', path: '/prune' },
  startRestore: { method: 'POST', path: '/deployments/{deployment}/restores' },
  listRuns: { method: 'GET', path: '/runs' },
  showRun: { method: 'GET', path: '/runs/{runId}' },
  cancelRun: { method: 'POST', path: '/runs/{runId}/cancel' },
  retryRun: { method: 'POST', path: '/runs/{runId}/retry' },
} as const satisfies Record<string, { readonly method: 'GET' | 'POST'; readonly path: `/${string}` }>;

export type ApiOperation = keyof typeof apiRoutes;

/** As API Gateway names a route: `GET /runs/{runId}`. */
export function routeKeyOf(operation: ApiOperation): string {
  const { method, path } = apiRoutes[operation];
  return `${method} ${path}`;
}
