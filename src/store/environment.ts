/** What the tools of the providers take credentials from, or find them by. */
const NAMES = [
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_CREDENTIAL_EXPIRATION',
  'AWS_PROFILE',
  'AWS_SHARED_CREDENTIALS_FILE',
  'AWS_CONFIG_FILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_ROLE_ARN',
  'AWS_ROLE_SESSION_NAME',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN',
  'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  'GOOGLE_APPLICATION_CREDENTIALS',
  'CLOUDSDK_CONFIG',
] as const

/** Values by name; null where there is none. Held in memory, and given from one process of a user to another only by its socket. */
export type CredentialVariables = { readonly [name: string]: string | null }

/** What of this process's environment credentials come from. */
export function credentialVariables(env: NodeJS.ProcessEnv = process.env): CredentialVariables {
  return Object.fromEntries(NAMES.map(name => [name, env[name] ?? null]))
}

/** From now on this thread, and those that it starts, look for credentials there. */
export function useCredentialVariables(variables: CredentialVariables): void {
  for (const name of NAMES) {
    const value = variables[name]
    if (typeof value === 'string') process.env[name] = value
    else delete process.env[name]
  }
}
