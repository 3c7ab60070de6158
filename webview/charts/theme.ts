/** The page's colours as Chart.js wants them: read from the styles, so that every theme is honoured. */
export interface Theme {
  background: string;
  foreground: string;
  secondary: string;
  accent: string;
  orange: string;
  purple: string;
  rule: string;
  grid: string;
  fontFamily: string;
  highContrast: boolean;
}

const names = ['background', 'foreground', 'secondary', 'accent', 'orange', 'purple', 'rule', 'grid'] as const;

let context: CanvasRenderingContext2D | null = null;

/** Any CSS colour as rgba: `color-mix` computes to `color(srgb …)`, which Chart.js does not know. */
export function toRgba(color: string, alpha = 1): string {
  if (!context) {
    const canvas = document.createElement('canvas');
    canvas.width = 1;
    canvas.height = 1;
    context = canvas.getContext('2d', { willReadFrequently: true });
  }
  if (!context) return color;
  context.clearRect(0, 0, 1, 1);
  context.fillStyle = color;
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0, own = 255] = context.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${(own / 255) * alpha})`;
}

export function readTheme(): Theme {
  const probe = document.createElement('span');
  document.body.append(probe);
  const style = getComputedStyle(probe);
  const colours = {} as Record<(typeof names)[number], string>;
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    colours[name] = toRgba(style.color);
  }
  const theme: Theme = {
    ...colours,
    fontFamily: style.fontFamily,
    highContrast: getComputedStyle(document.documentElement).getPropertyValue('--high-contrast').trim() === '1',
  };
  probe.remove();
  return theme;
}

/** Calls `changed` once after each change of the workbench's or the system's theme. */
export function onThemeChange(changed: () => void): void {
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      applyContrast();
      changed();
    });
  };
  new MutationObserver(soon).observe(document.body, {
    attributes: true,
    attributeFilter: ['class', 'data-vscode-theme-id', 'data-vscode-theme-kind'],
  });
  new MutationObserver(soon).observe(document.documentElement, {
    attributes: true,
    attributeFilter: ['style', 'class'],
  });
  for (const query of ['(prefers-color-scheme: dark)', '(prefers-contrast: more)', '(forced-colors: active)']) {
    matchMedia(query).addEventListener('change', soon);
  }
  applyContrast();
}

/** The workbench marks contrast on the body, the tokens live on the root: one class there for both. */
function applyContrast(): void {
  const { classList } = document.body;
  const contrast = classList.contains('vscode-high-contrast') || classList.contains('vscode-high-contrast-light');
  document.documentElement.classList.toggle('contrast', contrast);
}
