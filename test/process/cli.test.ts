import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { REPORT_FILE_NAME } from '../../src/core/contract/report.ts';
import { RUN_FILES } from '../../src/core/contract/runs.ts';
import { listRuns } from '../../src/core/runs/listRuns.ts';
import { readRun } from '../../src/core/runs/readRun.ts';
import { buildFakeCli, type CliResult, eventually, runCliProcess, startCli, temporaryFolder } from './cliProcess.ts';

let script: string;
const folders: string[] = [];
const left = new Set<number>();

beforeAll(async () => {
  script = await buildFakeCli();
});

afterEach(() => {
  for (const pid of left) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
  left.clear();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function workspace(withConfig = true): string {
  const folder = temporaryFolder(withConfig);
  folders.push(folder);
  return folder;
}

const cli = (args: string[], cwd: string, env: Record<string, string> = {}): Promise<CliResult> =>
  runCliProcess(script, args, { cwd, env });

const audit = ['audit', '--pair', 'one'];

/** The process that computes, by the lock of its run. */
async function pidOf(directory: string): Promise<number> {
  const pid = await eventually(async () => {
    try {
      return JSON.parse(readFileSync(path.join(directory, RUN_FILES.lock), 'utf8')).pid as number;
    } catch {
      return null;
    }
  });
  left.add(pid);
  return pid;
}

const liveRun = (cwd: string) =>
  eventually(async () => (await listRuns(cwd)).find(({ state, phase }) => state === 'running' && phase !== null));

describe('a finished audit', () => {
  it('prints the verdict and where the report lies, and leaves a run', async () => {
    const cwd = workspace();
    const { status, stdout, stderr } = await cli(audit, cwd);
    expect(stderr).toBe('[1/2] Pretending\nwarning: only pretending\n[2/2] Measuring\nWriting the report\n');
    expect(status).toBe(0);
    expect(stdout).toContain('Ranks better on the old gallery (mAP .740 against .556)');
    const [run] = await listRuns(cwd);
    expect(run).toMatchObject({ state: 'done', name: 'one', exitStatus: 0, verdict: 'compatible' });
    const directory = run?.directory ?? '';
    expect(stdout).toContain(`Report: ${path.join(directory, REPORT_FILE_NAME)}\n`);
    expect(stdout).toContain(`HTML:   ${path.join(directory, RUN_FILES.html)}\n`);
    expect(readdirSync(directory).sort()).toEqual(
      [
        RUN_FILES.config,
        RUN_FILES.events,
        RUN_FILES.heartbeat,
        RUN_FILES.log,
        REPORT_FILE_NAME,
        RUN_FILES.html,
        RUN_FILES.request,
      ].sort(),
    );
    const html = readFileSync(path.join(directory, RUN_FILES.html), 'utf8');
    expect(html).toContain('document.title;');
    expect(html).not.toContain('sourceMappingURL');
  });

  it('keeps previews beside the report, and in its page whenever that is made', async () => {
    const cwd = workspace();
    expect((await cli(audit, cwd, { BACKCOMPAT_FAKE: 'pictures' })).status).toBe(0);
    const [run] = await listRuns(cwd);
    const directory = run?.directory ?? '';
    const kept = JSON.parse(readFileSync(path.join(directory, RUN_FILES.previews), 'utf8'));
    expect(kept).toEqual({ a: { text: 'what a person can see' } });
    expect(readFileSync(path.join(directory, RUN_FILES.html), 'utf8')).toContain('what a person can see');
    expect((await cli(['report', 'one', '--format', 'html', '-o', 'r.html'], cwd)).status).toBe(0);
    expect(readFileSync(path.join(cwd, 'r.html'), 'utf8')).toContain('what a person can see');
  });

  it('audits every pair, each in its folder of --out', async () => {
    const cwd = workspace();
    const { status, stdout } = await cli(['audit', '--out', 'results', '--quiet'], cwd);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    for (const pair of ['one', 'two']) {
      expect(await readRun(path.join(cwd, 'results', pair))).toMatchObject({ state: 'done', name: pair });
    }
    const runs = await listRuns(cwd);
    expect(runs.map(({ directory }) => directory)).toEqual(
      ['two', 'one'].map((pair) => path.join(cwd, 'results', pair)),
    );
  });

  it('follows the new run in a directory that is used again, not the one before', async () => {
    const cwd = workspace();
    const again = [...audit, '--out', 'mine', '--json', '-', '--quiet'];
    expect(JSON.parse((await cli([...again, '--seed', '1'], cwd)).stdout).protocol.seed).toBe(1);
    expect(JSON.parse((await cli([...again, '--seed', '2'], cwd)).stdout).protocol.seed).toBe(2);
  });

  it('prints nothing but the report to stdout with --json -', async () => {
    const cwd = workspace();
    const { status, stdout, stderr } = await cli([...audit, '--json', '-', '--seed', '7'], cwd);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ format: 'backcompat.report', pair: 'one', protocol: { seed: 7 } });
    expect(stderr).toContain('Ranks better');
  });

  it('audits tables without a config', async () => {
    const cwd = workspace(false);
    const { status } = await cli(['audit', '--old', 'a.npy', '--new', 'b.npy', '--labels', 'l.csv'], cwd);
    expect(status).toBe(0);
    const [run] = await listRuns(cwd);
    expect(run).toMatchObject({ name: 'a-b', configFile: null });
    const request = JSON.parse(readFileSync(path.join(run?.directory ?? '', RUN_FILES.request), 'utf8'));
    expect(request.arguments).toEqual([
      'audit',
      '--old',
      path.join(cwd, 'a.npy'),
      '--new',
      path.join(cwd, 'b.npy'),
      '--labels',
      path.join(cwd, 'l.csv'),
    ]);
  });

  it('ends with the status of its gates, and says where in the config they stand', async () => {
    const cwd = workspace();
    const { status, stdout, stderr } = await cli(audit, cwd, { BACKCOMPAT_FAKE: 'gates' });
    expect(status).toBe(3);
    expect(stdout).toContain('Exit status 3');
    const text = readFileSync(path.join(cwd, 'backcompat.json'), 'utf8').split('\n');
    const line = text.findIndex((row) => row.includes('flips.negativeFlipRate')) + 1;
    expect(stderr).toMatch(
      new RegExp(`^backcompat.json:${line}:5: warning: one: flips\\.negativeFlipRate is .* \\[gate undecided\\]$`, 'm'),
    );
    expect((await listRuns(cwd))[0]).toMatchObject({ state: 'done', exitStatus: 3 });
  });
});

describe('failures', () => {
  it('says once what is wrong with the data, and leaves nothing', async () => {
    const cwd = workspace();
    const { status, stdout, stderr } = await cli(audit, cwd, { BACKCOMPAT_FAKE: 'bad-data' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toBe('[1/2] Pretending\nerror: v1.npy has NaN in row 7.\n  Remove the row.\n');
    expect(readdirSync(cwd)).toEqual(['backcompat.json']);
  });

  it('keeps the run of a defect, with the stack in its log only', async () => {
    const cwd = workspace();
    const { status, stderr } = await cli(audit, cwd, { BACKCOMPAT_FAKE: 'defect' });
    expect(status).toBe(1);
    expect(stderr).toContain('error: of undefined');
    expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
    const [run] = await listRuns(cwd);
    expect(run).toMatchObject({ state: 'failed', exitStatus: 1 });
    expect(readFileSync(path.join(run?.directory ?? '', RUN_FILES.log), 'utf8')).toContain('TypeError: of undefined');
    const debug = await cli([...audit, '--debug'], cwd, { BACKCOMPAT_FAKE: 'defect' });
    expect(debug.stderr).toContain('TypeError: of undefined');
  });

  it.each([
    [['audit', '--no-such-option'], /unknown option/],
    [['audti'], /Did you mean audit/],
    [['audit', '--pair', 'oen'], /Known pairs are "one" and "two"/],
    [['audit', 'gone.json'], /gone\.json/],
    [['audit', '--new', 'a.npy'], /--old is missing/],
    [['audit', '--old', 'a.npy'], /--new is missing/],
    [['audit', '--old', 'a', '--labels', 'l', '--query-old', 'q'], /--query-new missing/],
    [['audit', '--old', 'a', '--new', 'b', '--query-labels', 'l'], /--query-old and --query-new missing/],
    [['audit', '--old', 'a', '--labels', 'l'], /--new is missing/],
    [['audit', 'backcompat.json', '--old', 'a'], /not both/],
    [['audit', '--epsilons', '0.1,0.01'], /ascend/],
    [['audit', '--metric', 'mAP'], /none of map/],
    [['audit', '--threads', '0'], /at least 1/],
    [['audit', '--json', 'r.json'], /--json takes one pair.*\n.*one, two/],
    [['report', 'nothing'], /no finished run "nothing"/],
    [['compare', 'nothing'], /no finished run "nothing"/],
    [['compare', 'nothing', 'neither'], /no finished run "nothing"/],
    [['gate', 'nothing'], /no finished run "nothing"/],
    [['audit', '--detach', '--pair', 'one', '--junit', 'g.xml'], /--detach leaves before/],
    [['audit', '--baseline', 'b.json'], /--baseline takes one pair/],
    [['inspect', 'gone.onnx'], /gone\.onnx/],
    [[], /Usage: backcompat/],
  ])('refuses %j with status 2 and writes nothing', async (args, message) => {
    const cwd = workspace();
    const { status, stdout, stderr } = await cli(args, cwd);
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
    expect(readdirSync(cwd)).toEqual(['backcompat.json']);
  });

  it('overwrites no file that is not a report', async () => {
    const cwd = workspace();
    writeFileSync(path.join(cwd, 'notes.json'), '{}');
    const { status, stderr } = await cli([...audit, '--json', 'notes.json'], cwd);
    expect(status).toBe(2);
    expect(stderr).toContain('exists and is not a report');
    expect(readFileSync(path.join(cwd, 'notes.json'), 'utf8')).toBe('{}');
    expect((await cli([...audit, '--json', 'report.json', '--quiet'], cwd)).status).toBe(0);
    expect((await cli([...audit, '--json', 'report.json', '--quiet'], cwd)).status).toBe(0);
    expect(JSON.parse(readFileSync(path.join(cwd, 'report.json'), 'utf8')).pair).toBe('one');
  });
});

describe('signals', () => {
  const slow = { BACKCOMPAT_FAKE: 'slow' };

  it.each(['SIGINT', 'SIGTERM'] as const)('%s cancels the run', async (signal) => {
    const cwd = workspace();
    const running = startCli(script, ['audit'], { cwd, env: slow });
    const { directory } = await liveRun(cwd);
    const pid = await pidOf(directory);
    running.child.kill(signal);
    const { status, stderr } = await running.ended;
    expect(status).toBe(130);
    expect(stderr).toContain('error: Cancelled.');
    const runs = await listRuns(cwd);
    expect(runs).toMatchObject([{ state: 'cancelled', exitStatus: 130, report: null }]);
    expect(readdirSync(directory)).not.toContain(RUN_FILES.html);
    expect(() => process.kill(pid, 0)).toThrow();
  });

  it('SIGHUP ends who follows, not the run', async () => {
    const cwd = workspace();
    const running = startCli(script, audit, { cwd, env: { ...slow, BACKCOMPAT_FAKE_MS: '1500' } });
    const { directory } = await liveRun(cwd);
    await pidOf(directory);
    running.child.kill('SIGHUP');
    expect((await running.ended).signal).toBe('SIGHUP');
    expect(await readRun(directory)).toMatchObject({ state: 'running' });
    await eventually(async () => (await readRun(directory)).state === 'done');
    expect(existsSync(path.join(directory, REPORT_FILE_NAME))).toBe(true);
  });

  it('a second Ctrl-C kills a run that does not listen', async () => {
    const cwd = workspace();
    const running = startCli(script, audit, { cwd, env: { BACKCOMPAT_FAKE: 'stuck' } });
    const { directory } = await liveRun(cwd);
    await pidOf(directory);
    running.child.kill('SIGINT');
    await running.printed(/Press Ctrl-C again/);
    running.child.kill('SIGINT');
    expect((await running.ended).status).toBe(130);
    await eventually(async () => (await readRun(directory)).state === 'stopped');
  });

  it('a killed run reads as stopped, also to who follows it', async () => {
    const cwd = workspace();
    const running = startCli(script, audit, { cwd, env: slow });
    const { directory } = await liveRun(cwd);
    process.kill(await pidOf(directory), 'SIGKILL');
    const { status, stderr } = await running.ended;
    expect(status).toBe(1);
    expect(stderr).toContain('was killed (SIGKILL)');
    expect(await readRun(directory)).toMatchObject({ state: 'stopped', exitStatus: null });
  });
});

describe('--detach', () => {
  it('prints the directory of a run that goes on, and can be cancelled by a file', async () => {
    const cwd = workspace();
    const { status, stdout, stderr } = await cli([...audit, '--detach'], cwd, { BACKCOMPAT_FAKE: 'slow' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const directory = stdout.trim();
    await pidOf(directory);
    expect(await readRun(directory)).toMatchObject({ state: 'running', name: 'one' });
    writeFileSync(path.join(directory, RUN_FILES.cancel), '');
    await eventually(async () => (await readRun(directory)).state === 'cancelled');
  });

  it('lets no second run into the directory', async () => {
    const cwd = workspace();
    const first = await cli([...audit, '--detach', '--out', 'mine'], cwd, { BACKCOMPAT_FAKE: 'slow' });
    const directory = first.stdout.trim();
    await pidOf(directory);
    const second = await cli([...audit, '--out', 'mine'], cwd);
    expect(second.status).toBe(2);
    expect(second.stderr).toContain('is in use by process');
    expect(await readRun(directory)).toMatchObject({ state: 'running' });
  });

  it('keeps a failed run for whoever looks', async () => {
    const cwd = workspace();
    const { stdout } = await cli([...audit, '--detach'], cwd, { BACKCOMPAT_FAKE: 'bad-data' });
    const summary = await eventually(async () => {
      const run = await readRun(stdout.trim());
      return run.state === 'failed' && run;
    });
    expect(summary).toMatchObject({
      exitStatus: 2,
      message: 'v1.npy has NaN in row 7.',
      remedy: 'Remove the row.',
      place: { row: 7 },
    });
  });
});

describe('other commands', () => {
  it('renders a finished run again', async () => {
    const cwd = workspace();
    await cli([...audit, '--quiet'], cwd);
    const text = await cli(['report', 'one'], cwd);
    expect(text.status).toBe(0);
    expect(text.stdout).toMatch(/^Backcompat audit: digits-v1/);
    const json = await cli(['report', 'one', '--format', 'json'], cwd);
    expect(JSON.parse(json.stdout)).toMatchObject({ pair: 'one' });
    expect((await cli(['report', 'one', '--format', 'html', '-o', 'r.html'], cwd)).status).toBe(0);
    expect((await cli(['report', 'one', '--format', 'html', '-o', 'r.html'], cwd)).status).toBe(0);
    expect(readFileSync(path.join(cwd, 'r.html'), 'utf8')).toMatch(/^<!DOCTYPE html>/);
    const refused = await cli(['report', 'one', '-o', 'backcompat.json'], cwd);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('exists and is not a report');
  });

  it('renders a finished run for pipelines, at its lines of the config', async () => {
    const cwd = workspace();
    await cli([...audit, '--quiet'], cwd, { BACKCOMPAT_FAKE: 'gates' });
    const markdown = await cli(['report', 'one', '--format', 'md'], cwd);
    expect(markdown.stdout).toMatch(/^<!-- backcompat report -->\n## Backcompat: <code>digits-v1<\/code>/);
    const junit = await cli(['report', 'one', '--format', 'junit', '-o', 'out/gates.xml'], cwd);
    expect(junit).toMatchObject({ status: 0, stdout: '' });
    expect(readFileSync(path.join(cwd, 'out/gates.xml'), 'utf8')).toContain('tests="5" failures="2"');
    const github = await cli(['report', 'one', '--format', 'github'], cwd);
    const text = readFileSync(path.join(cwd, 'backcompat.json'), 'utf8').split('\n');
    const line = text.findIndex((row) => row.includes('flips.negativeFlipRate')) + 1;
    expect(github.stdout).toContain(`::error file=backcompat.json,line=${line},col=5,title=Gate undecided::one: flips`);
    const full = await cli(['report', 'one', '--full'], cwd);
    expect(full.stdout).toContain('takes part in 104 violations');
  });

  it('compares runs, differences first', async () => {
    const cwd = workspace();
    await cli(['audit', '--quiet'], cwd);
    const same = await cli(['compare', 'one', 'two'], cwd);
    expect(same.status).toBe(0);
    expect(same.stdout).toMatch(/^Backcompat comparison: 2 reports\n/);
    expect(same.stdout).toContain('No key figure differs');
    const json = await cli(['compare', 'one', 'two', 'one', '--format', 'json'], cwd);
    expect(JSON.parse(json.stdout).reports.map(({ pair }: { pair: string }) => pair)).toEqual(['one', 'two', 'one']);
    expect(await cli(['compare', 'one'], cwd)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('nothing to be compared with'),
    });
    expect((await cli(['compare', 'one', 'two', '--format', 'md', '-o', 'c.md'], cwd)).status).toBe(0);
    expect(readFileSync(path.join(cwd, 'c.md'), 'utf8')).toContain('2 reports side by side');
  });

  it('makes the sample, uses it again, and leaves other folders alone', async () => {
    const cwd = workspace(false);
    const made = await cli(['demo', '--no-train'], cwd);
    expect(made).toMatchObject({ status: 0, stderr: '' });
    const config = path.join(cwd, 'backcompat-demo', 'backcompat.json');
    writeFileSync(config, `// mine\n${readFileSync(config, 'utf8')}`);
    const both = await cli(['demo'], cwd);
    expect(both.status).toBe(0);
    expect(both.stdout.match(/^HTML: {3}.*report\.html$/gm)).toHaveLength(2);
    expect(both.stdout).toMatch(/^Trained v1\.$/m);
    expect(both.stdout.match(/^Ranks better/gm)).toHaveLength(2);
    expect(readFileSync(config, 'utf8')).toMatch(/^\/\/ mine/);
    mkdirSync(path.join(cwd, 'full'));
    writeFileSync(path.join(cwd, 'full', 'thesis.tex'), '');
    const refused = await cli(['demo', 'full'], cwd);
    expect(refused.status).toBe(2);
    expect(readdirSync(path.join(cwd, 'full'))).toEqual(['thesis.tex']);
  });

  it('prints the schema, and help that lists what there is', async () => {
    const cwd = workspace(false);
    const schema = await cli(['schema'], cwd);
    expect(JSON.parse(schema.stdout)).toMatchObject({ properties: { pairs: {}, checkpoints: {} } });
    const help = await cli(['--help'], cwd);
    expect(help.status).toBe(0);
    const commands = [...help.stdout.matchAll(/^ {2}([a-z]+) /gm)].map((match) => match[1]);
    const expected = [
      'audit',
      'train',
      'sessions',
      'embed',
      'adapt',
      'inspect',
      'report',
      'compare',
      'gate',
      'schema',
      'demo',
      'runtime',
    ];
    expect(commands.slice(0, expected.length)).toEqual(expected);
    for (const command of expected) {
      expect((await cli([command, '--help'], cwd)).stdout).toMatch(/Examples?:\n {2}backcompat /);
    }
  });

  it('says what a file is', async () => {
    const cwd = workspace(false);
    writeFileSync(path.join(cwd, 'items.csv'), 'id,label\na,cat\nb,\u001b[31mdog\n');
    const { status, stdout } = await cli(['inspect', 'items.csv'], cwd);
    expect(status).toBe(0);
    expect(stdout).toContain('items.csv: CSV');
    expect(stdout).not.toContain('\u001b');
  });
});
