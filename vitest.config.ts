import { defineConfig } from 'vitest/config';

const minute = 60_000;

/** One project a tier; tiers run one after the other, files of the later two too: each of their tests needs the machine. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          testTimeout: minute,
          hookTimeout: minute,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'webview',
          include: ['test/webview/**/*.test.ts'],
          testTimeout: minute,
          hookTimeout: minute,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'process',
          include: ['test/process/**/*.test.ts'],
          testTimeout: 3 * minute,
          hookTimeout: 3 * minute,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 3 * minute,
          hookTimeout: 3 * minute,
          maxWorkers: 1,
          // One server and one browser for the whole tier.
          globalSetup: ['test/e2e/globalSetup.ts'],
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
