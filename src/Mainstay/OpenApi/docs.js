// Starts Swagger UI on the document of the chosen version; the newest one without a choice. Paths are relative, so it works behind a path base.
const links = [...document.querySelectorAll('nav a[data-version]')];
const asked = new URLSearchParams(location.search).get('version');
const chosen = links.find(link => link.dataset.version === asked) ?? links[0];
chosen.setAttribute('aria-current', 'page');
const url = new URL(`../${chosen.dataset.version}/openapi.json`, location.href).href;
document.getElementById('document').href = url;

SwaggerUIBundle({
  url,
  dom_id: '#swagger-ui',
  layout: 'BaseLayout',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 3,
  displayRequestDuration: true,
  filter: true,
  requestSnippetsEnabled: true,
  tryItOutEnabled: false,
  validatorUrl: null,
});
