import { TEST_CREDENTIALS } from './s3-server.js'

/** Variables by which the SDKs of the clouds find credentials, places and proxies. */
const CLOUD = /^(AWS_|GOOGLE_|GCLOUD_|GCE_|STORAGE_EMULATOR_HOST|CLOUDSDK_)|^(https?|all|no)_proxy$/i

/** Runs with the environment of a user who has these variables and no others of the clouds, whatever the machine has; returns what puts it back. */
export function cloudEnvironment(variables: Record<string, string>): () => void {
  const before = Object.entries(process.env).filter(([name]) => CLOUD.test(name))
  const clear = (): void => {
    for (const name of Object.keys(process.env)) if (CLOUD.test(name)) delete process.env[name]
  }
  clear()
  Object.assign(process.env, variables)
  return () => {
    clear()
    Object.assign(process.env, Object.fromEntries(before))
  }
}

/** Variables that name the keys of the test server, and nothing of this machine. */
export const TEST_VARIABLES: Readonly<Record<string, string>> = {
  AWS_ACCESS_KEY_ID: TEST_CREDENTIALS.accessKeyId,
  AWS_SECRET_ACCESS_KEY: TEST_CREDENTIALS.secretAccessKey,
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/nonexistent/config',
  AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials',
}
