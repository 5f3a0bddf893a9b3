/** What is stored is a database's content: whatever the umask, nobody but the user that wrote it may read it. */
export const ownerOnly = { file: 0o600, folder: 0o700 } as const;
