return await Shop.Application.Declare(args).RunAsync();
