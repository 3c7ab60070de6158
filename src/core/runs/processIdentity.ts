import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';

/** Names a process beyond its number, which the system gives out again after its end. */
export interface ProcessIdentity {
  pid: number;
  /** When it started, in the system's own words; null where that cannot be asked. */
  startTime: string | null;
  /** Machine, boot and process space: numbers mean nothing in another one. */
  space: string;
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot; null for a process that is gone or a zombie. */
function linuxStartTime(pid: number): string | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return null;
  }
  // The command's name may hold spaces and brackets; what follows its last bracket does not.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  if (state === 'Z' || state === 'X') return null;
  return fields[19] ?? null;
}

function startTime(pid: number): string | null {
  if (process.platform === 'linux') return linuxStartTime(pid);
  if (process.platform === 'win32') return null;
  try {
    const text = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', timeout: 2000 }).trim();
    return text === '' ? null : text;
  } catch {
    return null;
  }
}

let knownSpace: string | null = null;

/** On Linux the boot and the process namespace (containers have their own), elsewhere the host's name. */
function processSpace(): string {
  if (knownSpace !== null) return knownSpace;
  knownSpace = os.hostname();
  if (process.platform === 'linux') {
    try {
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
      knownSpace = `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
    } catch {
      // A sandbox may hide both; the host's name is the next best.
    }
  }
  return knownSpace;
}

export function thisProcess(): ProcessIdentity {
  return { pid: process.pid, startTime: startTime(process.pid), space: processSpace() };
}

/**
 * Whether that very process runs; null when this process cannot tell, because the other one lives
 * in another process space (another machine or container, or before a reboot).
 */
export function isProcessAlive(identity: ProcessIdentity): boolean | null {
  if (identity.space !== processSpace()) return null;
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    // EPERM: it exists and belongs to someone else.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  if (identity.startTime === null) return true;
  const current = startTime(identity.pid);
  // Without `ps` nothing contradicts the number; on Linux no start time means gone.
  if (current === null) return process.platform !== 'linux';
  return current === identity.startTime;
}
