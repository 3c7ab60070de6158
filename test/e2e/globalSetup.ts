import { chromium } from 'playwright-core';
import type { TestProject } from 'vitest/node';
import { ensureChromium } from '../../scripts/bootstrap.mjs';
import { type ServerAddress, startServer } from './server.ts';

declare module 'vitest' {
  interface ProvidedContext {
    server: ServerAddress;
    /** Playwright's address of the one browser. */
    browser: string;
  }
}

/** One server and one browser for the whole tier. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await startServer('new');
  const browser = await chromium.launchServer({
    executablePath: await ensureChromium(),
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-dev-shm-usage',
      // All traffic stays on this machine.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  });
  const { base, home } = server;
  project.provide('server', { base, home });
  project.provide('browser', browser.wsEndpoint());
  return async () => {
    await browser.close();
    await server.stop();
  };
}
