using System.Text.Json.Nodes;

namespace Mainstay.Tests;

/// <summary>A small document in which everything occurs that a contract can change.</summary>
internal static class ContractDocuments
{
    public static JsonObject Base() => JsonNode.Parse("""
        {
          "openapi": "3.1.1",
          "info": { "title": "Shop", "version": "v1", "description": "Words." },
          "servers": [{ "url": "/" }],
          "security": [{ "bearer": [] }],
          "paths": {
            "/v1/products": {
              "get": {
                "operationId": "listProducts", "summary": "List products", "description": "One page.", "tags": ["products"], "security": [{}, { "bearer": [] }],
                "parameters": [
                  { "name": "category", "in": "query", "schema": { "type": "string", "maxLength": 40, "enum": ["tea", "coffee"] } },
                  { "name": "price.gte", "in": "query", "schema": { "type": "number", "format": "decimal", "minimum": 0, "maximum": 1000 } },
                  { "name": "price.in", "in": "query", "style": "form", "explode": false, "schema": { "type": "array", "minItems": 1, "maxItems": 50, "items": { "type": "number", "minimum": 0 } } },
                  { "$ref": "#/components/parameters/PageSize" },
                  { "name": "If-None-Match", "in": "header", "schema": { "type": "string", "maxLength": 100 } }
                ],
                "responses": {
                  "200": {
                    "description": "One page.",
                    "headers": { "ETag": { "$ref": "#/components/headers/ETag" }, "Link": { "schema": { "type": "string" } } },
                    "content": { "application/json": { "schema": { "type": "object", "required": ["data", "meta"], "properties": {
                      "data": { "type": "array", "maxItems": 100, "items": { "anyOf": [{ "$ref": "#/components/schemas/Product" }, { "$ref": "#/components/schemas/ProductPart" }] } },
                      "meta": { "$ref": "#/components/schemas/PageMeta" } } } } }
                  },
                  "304": { "description": "Nothing is new." },
                  "400": { "$ref": "#/components/responses/InvalidParameter" },
                  "default": { "$ref": "#/components/responses/Problem" }
                }
              }
            },
            "/v1/orders": {
              "post": {
                "operationId": "createOrder", "summary": "Create an order", "tags": ["orders"],
                "parameters": [{ "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "pattern": "^[a-z]+$", "minLength": 1, "maxLength": 255 } }],
                "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/PlaceOrder" }, "examples": { "example": { "value": { "quantity": 1 } } } } } },
                "responses": {
                  "201": { "description": "Done.", "headers": { "Location": { "schema": { "type": "string" } } }, "content": { "application/json": { "schema": { "type": "object", "required": ["data"], "properties": { "data": { "$ref": "#/components/schemas/Order" } } } } } },
                  "404": { "$ref": "#/components/responses/NotFound" },
                  "409": { "description": "- `out-of-stock`", "content": { "application/problem+json": { "schema": { "allOf": [{ "$ref": "#/components/schemas/Problem" }, { "properties": { "code": { "enum": ["concurrent-update", "out-of-stock"] } } }] } } } },
                  "default": { "$ref": "#/components/responses/Problem" }
                }
              }
            },
            "/v1/orders/{id}": {
              "delete": {
                "operationId": "deleteOrder", "tags": ["orders"],
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "pattern": "^order_[a-z]+$" } }],
                "responses": { "204": { "description": "Gone." } }
              }
            }
          },
          "components": {
            "parameters": { "PageSize": { "name": "pageSize", "in": "query", "description": "The most rows.", "schema": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 100, "default": 20 } } },
            "headers": { "ETag": { "description": "The state.", "schema": { "type": "string", "examples": ["\"v1\""] } } },
            "responses": {
              "InvalidParameter": { "description": "Bad.", "content": { "application/problem+json": { "schema": { "allOf": [{ "$ref": "#/components/schemas/Problem" }, { "properties": { "code": { "enum": ["invalid-parameter"] } } }] } } } },
              "NotFound": { "description": "None.", "content": { "application/problem+json": { "schema": { "allOf": [{ "$ref": "#/components/schemas/Problem" }, { "properties": { "code": { "enum": ["not-found"] } } }] } } } },
              "Problem": { "description": "Others.", "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } }
            },
            "schemas": {
              "Product": { "type": "object", "required": ["id", "name", "price"], "properties": {
                "id": { "type": "string", "readOnly": true }, "name": { "type": "string", "maxLength": 200 }, "price": { "type": "number", "format": "decimal" },
                "similar": { "type": "array", "items": { "$ref": "#/components/schemas/Product" } } } },
              "ProductPart": { "type": "object", "properties": { "id": { "type": "string" }, "name": { "type": "string", "maxLength": 200 }, "price": { "type": "number", "format": "decimal" } } },
              "Order": { "type": "object", "required": ["id", "total", "status"], "properties": {
                "id": { "type": "string", "format": "typeid", "pattern": "^order_[a-z]+$" }, "quantity": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 100 },
                "total": { "type": "number", "format": "decimal", "minimum": 0 }, "status": { "type": "string", "enum": ["placed", "shipped"] },
                "note": { "type": ["string", "null"], "maxLength": 100 }, "product": { "anyOf": [{ "$ref": "#/components/schemas/Product" }, { "type": "null" }] } } },
              "PlaceOrder": { "type": "object", "additionalProperties": false, "required": ["productId", "quantity"], "properties": {
                "productId": { "type": "string" }, "quantity": { "type": "integer", "format": "int32", "minimum": 1, "maximum": 100 },
                "channel": { "type": "string", "enum": ["web", "shop"], "default": "web" }, "note": { "type": ["string", "null"], "maxLength": 100 },
                "lines": { "type": "array", "maxItems": 10, "items": { "type": "object", "additionalProperties": false, "required": ["sku"], "properties": { "sku": { "type": "string" } } } } } },
              "PageMeta": { "type": "object", "required": ["pageSize", "nextCursor"], "properties": { "pageSize": { "type": "integer", "maximum": 100 }, "nextCursor": { "type": ["string", "null"] } } },
              "Problem": { "type": "object", "required": ["code", "title"], "properties": { "code": { "type": "string", "pattern": "^[a-z-]+$" }, "title": { "type": "string" } } }
            },
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } }
          }
        }
        """)!.AsObject();

    /// <summary>What is at a JSON Pointer.</summary>
    public static JsonObject At(this JsonObject document, string pointer) =>
        pointer.Split('/', StringSplitOptions.RemoveEmptyEntries).Select(step => step.Replace("~1", "/", StringComparison.Ordinal)).Aggregate((JsonNode)document, (node, step) => node is JsonArray elements ? elements[int.Parse(step, null)]! : node[step]!).AsObject();

    /// <summary>Replaces members of the object at a pointer; null takes one away.</summary>
    public static Action<JsonObject> Set(string pointer, string members) => document =>
    {
        var place = document.At(pointer);
        foreach (var (name, value) in JsonNode.Parse(members)!.AsObject())
            if (value is null)
                place.Remove(name);
            else
                place[name] = value.DeepClone();
    };
}
