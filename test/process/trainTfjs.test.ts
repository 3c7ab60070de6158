import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildBundle } from '../../scripts/build.mjs';
import { modelFixture } from '../unit/modelFixtures.ts';
import { eventually, runCliProcess, temporaryFolder } from './cliProcess.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const cli = path.join(root, 'test-output/trainTfjsCli/cli.js');

beforeAll(async () => {
  await buildBundle('cli', { outdir: path.dirname(cli) });
});

/** Four pictures of two classes and a LayersModel of the converter. */
function workspace(): string {
  const folder = temporaryFolder();
  const block = { from: 'v1', data: 'pictures', method: 'independent', epochs: 60, batchSize: 4 };
  const config = {
    datasets: { pictures: { images: modelFixture('images') } },
    checkpoints: {
      v1: { model: modelFixture('tfjs/layers/model.json') },
      frozen: { model: modelFixture('tfjs/graph/model.json') },
    },
    training: { v2: block, v3: { ...block, from: 'frozen' } },
  };
  writeFileSync(path.join(folder, 'backcompat.json'), JSON.stringify(config));
  return folder;
}

describe('backcompat train, from models of TensorFlow.js', () => {
  it('trains a LayersModel and writes one, which is a checkpoint of the config from then on; the same one after a kill', async () => {
    const cwd = workspace();
    const trained = await runCliProcess(cli, ['train', '--name', 'v2'], { cwd });
    expect(trained).toMatchObject({ status: 0 });
    const file = /^Model: +(\S+)/m.exec(trained.stdout)?.[1] as string;
    expect(file).toMatch(/model\.json$/);
    const { modelTopology } = JSON.parse(readFileSync(path.join(cwd, file), 'utf8'));
    expect(modelTopology).toEqual(
      JSON.parse(readFileSync(modelFixture('tfjs/layers/model.json'), 'utf8')).modelTopology,
    );
    const embedded = await runCliProcess(cli, ['embed', 'v2', 'pictures', '-o', 'v2.npy'], { cwd });
    expect(embedded).toMatchObject({ status: 0 });
    expect(existsSync(path.join(cwd, 'v2.npy'))).toBe(true);

    // Again, killed in the middle: shards are named by their content.
    const detached = await runCliProcess(cli, ['train', '--name', 'v2', '--detach'], { cwd });
    const run = path.resolve(cwd, detached.stdout.trim());
    const events = () => (existsSync(`${run}/events.jsonl`) ? readFileSync(`${run}/events.jsonl`, 'utf8') : '');
    await eventually(async () => events().includes('"epoch":2,'), 60_000);
    const { pid } = JSON.parse(readFileSync(path.join(run, 'lock.json'), 'utf8')) as { pid: number };
    process.kill(pid, 'SIGKILL');
    const resumed = await runCliProcess(cli, ['train', '--resume', path.basename(run)], { cwd });
    expect(resumed.status, resumed.stderr).toBe(0);
    const shards = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.bin'));
    expect(shards(run)).toEqual(shards(path.dirname(path.resolve(cwd, file))));
    expect(shards(run)).toHaveLength(1);
  });

  it('says that a GraphModel is frozen, and how to get the runtime where it is missing', async () => {
    const cwd = workspace();
    const frozen = await runCliProcess(cli, ['train', '--name', 'v3'], { cwd });
    expect(frozen).toMatchObject({ status: 2 });
    expect(frozen.stderr).toContain('is a GraphModel, which is frozen: it can be audited');
    const missing = await runCliProcess(cli, ['train', '--name', 'v2'], {
      cwd,
      env: { XDG_CACHE_HOME: temporaryFolder() },
    });
    expect(missing).toMatchObject({ status: 2 });
    expect(missing.stderr).toContain('backcompat runtime install tfjs');
  });
});
