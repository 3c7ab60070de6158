import * as vscode from 'vscode';

export function treeIcon({ icon, color }: { icon: string; color: string | null }): vscode.ThemeIcon {
  return new vscode.ThemeIcon(icon, color === null ? undefined : new vscode.ThemeColor(color));
}
