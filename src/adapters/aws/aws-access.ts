import type { EC2Client } from '@aws-sdk/client-ec2';

/** Why this process can't ask AWS anything: it has no credentials or no Region; undefined when it has both. Asks nothing of AWS itself. */
export async function whyNoAccess({ config }: EC2Client): Promise<string | undefined> {
  try {
    await Promise.all([config.credentials(), config.region()]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
